import type { ExecutorProcess } from "./executor-process.ts";
import { shareWarmMemory } from "./share-warm-memory.ts";

const LOOK_AGAIN_MS = 1_000;

/**
 * The memory that isolates of a worker may hold while they wait for their revision's next run, and each serving
 * executor's share of it. Shares are made anew when executors come and go, and each second while any is short.
 */
export class WarmMemory {
  readonly #budgetBytes: number;
  /** With what each had evicted at the last look. */
  readonly #evictedBefore = new Map<ExecutorProcess, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
  }

  /** It serves a namespace from now on. */
  add(executor: ExecutorProcess): void {
    this.#evictedBefore.set(executor, 0);
    this.#share();
  }

  /** It takes no new runs: what is idle in it serves nobody any more. */
  remove(executor: ExecutorProcess): void {
    if (!this.#evictedBefore.delete(executor)) return;
    executor.setWarmLimit(0);
    this.#share();
  }

  /** What stands in one has changed. */
  onChange(): void {
    this.#timer ??= setTimeout(() => this.#share(), LOOK_AGAIN_MS).unref();
  }

  #share(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const executors = [...this.#evictedBefore.keys()];
    const holders = executors.map((executor) => ({
      bytes: executor.warm.bytes,
      limitBytes: executor.warmLimitBytes,
      hasEvicted: executor.warm.evicted.memory > this.#evictedBefore.get(executor)!,
    }));
    const limits = shareWarmMemory(this.#budgetBytes, holders);
    for (const [index, executor] of executors.entries()) {
      this.#evictedBefore.set(executor, executor.warm.evicted.memory);
      executor.setWarmLimit(limits[index]!);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#evictedBefore.clear();
  }
}

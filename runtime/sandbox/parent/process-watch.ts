import { availableParallelism } from "node:os";
import { descendantsOf } from "../../../core/processes/process-tree.ts";
import { ResidentMemory } from "../../../core/processes/resident-memory.ts";

const MEGABYTE = 1_048_576;

/** What the descendants of a process hold. An executor has none, unless somebody took it over. */
export function descendantBytes(pid: number): number {
  let bytes = 0;
  for (const descendant of descendantsOf(pid)) {
    const memory = new ResidentMemory(descendant);
    bytes += memory.readBytes() ?? 0;
    memory.close();
  }
  return bytes;
}

export interface MemoryBudget {
  /** What the executor itself may grow by. */
  slackBytes: number;
  /** The most any executor may hold beside its share of the memory for warm isolates, whatever runs. */
  maxBytes: number;
}

/** An isolate takes more than its limit while it collects garbage. */
const COLLECTING_FACTOR = 1.5;
const ISOLATE_OVERHEAD_BYTES = 64 * MEGABYTE;
/** Runs at once may hold this many times what the largest of them may, however many they are. */
const TOGETHER_FACTOR = 4;

/** What one run may add to the resident memory. */
export function runAllowanceBytes(memoryMb: number): number {
  return memoryMb * MEGABYTE * COLLECTING_FACTOR + ISOLATE_OVERHEAD_BYTES;
}

/** What runs may add together: the sum of what each may, up to a multiple of the largest. */
export function togetherBytes(sumBytes: number, largestMemoryMb: number): number {
  const mostBytes = Math.max(
    runAllowanceBytes(largestMemoryMb),
    largestMemoryMb * MEGABYTE * TOGETHER_FACTOR,
  );
  return Math.min(sumBytes, mostBytes);
}

/** The resident memory at which an executor is killed. */
export function residentLimitBytes(budget: MemoryBudget, idleBytes: number, allowanceBytes: number): number {
  return Math.min(budget.maxBytes, idleBytes + budget.slackBytes + allowanceBytes);
}

/** How fast one core fills memory that it did not hold. */
const FILL_BYTES_PER_MS = 1.3 * MEGABYTE;
const LOOK_MS = { min: 2, max: 10 };

/** How long the memory can be left alone: half of the time in which the limit could be reached. */
export function nextLookMs(headroomBytes: number, cores: number): number {
  const reachMs = headroomBytes / (FILL_BYTES_PER_MS * cores);
  return Math.min(LOOK_MS.max, Math.max(LOOK_MS.min, Math.floor(reachMs / 2)));
}

export interface WatchedRun {
  /** Monotonic; Infinity while it waits to be sent. */
  killAt: number;
}

export type Doom<Run> = { cause: "memory" } | { cause: "overdue"; run: Run };

/** Why an executor must be killed now, if it must; instants of one monotonic clock. */
export function decideKill<Run extends WatchedRun>(
  now: number,
  residentBytes: number | undefined,
  limitBytes: number,
  runs: Iterable<Run>,
): Doom<Run> | undefined {
  if (residentBytes !== undefined && residentBytes > limitBytes) return { cause: "memory" };
  for (const run of runs) if (now >= run.killAt) return { cause: "overdue", run };
  return undefined;
}

const DECAY_BYTES_PER_MS = 0.5 * MEGABYTE;

/** What is allowed where `bytes` are from now on: less than before only bit by bit, for isolates give memory back late. */
export function lowerSlowly(bytes: number, beforeBytes: number, elapsedMs: number): number {
  return Math.max(bytes, beforeBytes - DECAY_BYTES_PER_MS * elapsedMs);
}

const DESCENDANTS_MS = 100;

export interface Watched<Run> {
  /** Asked for when the first run begins. */
  pid(): number | undefined;
  /** What the runs under way may add, each for itself, in all. */
  allowanceBytes(): number;
  /** What isolates hold that wait warm for their next run, and what it was granted for them. */
  warmBytes(): number;
  grantedBytes(): number;
  memoryMbOf(run: Run): number;
  runs(): Iterable<Run>;
  isIdle(): boolean;
}

/**
 * Looks at the clock and the resident memory of a process while it runs something: the walls that hold where an
 * isolate's own do not. The rest of the time it sleeps.
 */
export class ProcessWatch<Run extends WatchedRun> {
  readonly #budget: MemoryBudget;
  readonly #watched: Watched<Run>;
  readonly #onDoom: (doom: Doom<Run>) => void;
  readonly #cores = availableParallelism();
  #memory: ResidentMemory | undefined;
  #timer: NodeJS.Timeout | undefined;
  #idleBytes = 0;
  /** Of those. */
  #idleWarmBytes = 0;
  #allowedBytes = 0;
  #grantedBytes = 0;
  #descendantBytes = 0;
  #descendantsAt = 0;
  #lookedAt = 0;

  constructor(budget: MemoryBudget, watched: Watched<Run>, onDoom: (doom: Doom<Run>) => void) {
    this.#budget = budget;
    this.#watched = watched;
    this.#onDoom = onDoom;
  }

  /** To be called whenever a run begins, of a process that is ready. */
  wake(): void {
    if (this.#timer) return;
    this.#memory ??= new ResidentMemory(this.#watched.pid() ?? -1);
    this.#idleBytes = this.#memory.readBytes() ?? 0;
    this.#idleWarmBytes = this.#watched.warmBytes();
    this.#allowedBytes = 0;
    this.#lookedAt = performance.now();
    this.#lookIn(LOOK_MS.min);
  }

  #lookIn(delayMs: number): void {
    this.#timer = setTimeout(() => this.#look(performance.now()), delayMs).unref();
  }

  #look(now: number): void {
    if (this.#watched.isIdle()) {
      this.#sleep();
      return;
    }
    const elapsedMs = now - this.#lookedAt;
    this.#lookedAt = now;
    this.#allowedBytes = lowerSlowly(this.#allowance(), this.#allowedBytes, elapsedMs);
    this.#grantedBytes = lowerSlowly(this.#watched.grantedBytes(), this.#grantedBytes, elapsedMs);
    const residentBytes = this.#readBytes(now);
    const { slackBytes, maxBytes } = this.#budget;
    const budget = { slackBytes, maxBytes: maxBytes + this.#grantedBytes };
    const limitBytes = residentLimitBytes(budget, this.#idleBytes, this.#allowedBytes);
    const doom = decideKill(now, residentBytes, limitBytes, this.#watched.runs());
    if (doom) {
      this.#sleep();
      this.#onDoom(doom);
    } else this.#lookIn(nextLookMs(limitBytes - (residentBytes ?? 0), this.#cores));
  }

  /** What the runs may add, and what isolates hold that have become warm meanwhile. */
  #allowance(): number {
    const warmedBytes = Math.max(0, this.#watched.warmBytes() - this.#idleWarmBytes);
    let largestMemoryMb = 0;
    for (const run of this.#watched.runs())
      largestMemoryMb = Math.max(largestMemoryMb, this.#watched.memoryMbOf(run));
    return warmedBytes + togetherBytes(this.#watched.allowanceBytes(), largestMemoryMb);
  }

  #readBytes(now: number): number | undefined {
    if (now - this.#descendantsAt >= DESCENDANTS_MS) {
      this.#descendantsAt = now;
      this.#descendantBytes = descendantBytes(this.#watched.pid() ?? -1);
    }
    const bytes = this.#memory?.readBytes();
    return bytes === undefined ? undefined : bytes + this.#descendantBytes;
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.#sleep();
    this.#memory?.close();
  }
}

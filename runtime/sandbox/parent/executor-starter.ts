import type { HopedWalls, SandboxParts, SandboxSettings } from "../settings.ts";
import { standingWalls } from "./executor-command.ts";
import { type ExecutorEvents, ExecutorProcess } from "./executor-process.ts";

/** A spare is replaced a moment after it was taken, so that its start does not slow the run that took it. */
const REFILL_MS = 50;
const MAX_START_FAILURES = 3;
const START_BACKOFF_MS = { initial: 100, max: 5_000 };

export interface StarterEvents extends Omit<ExecutorEvents, "onDead"> {
  /** `gaveUp`: it has not come up, nor have several before it. */
  onDead(executor: ExecutorProcess, gaveUp: boolean): void;
  /** A pause is over. */
  onMayStart(): void;
}

/**
 * Starts a worker's executors, and keeps a spare. Where one does not come up:
 *
 *   starting → (walls that were only hoped for) paused until it is known which stand
 *            → (any other reason) paused, longer each time → starting
 */
export class ExecutorStarter {
  /** All that have not ended. */
  readonly processes = new Set<ExecutorProcess>();
  readonly #settings: SandboxSettings;
  readonly #parts: SandboxParts;
  readonly #walls: HopedWalls | undefined;
  readonly #events: StarterEvents;
  #spare: ExecutorProcess | undefined;
  #refill: NodeJS.Timeout | undefined;
  /** While it lasts none is started. */
  #pause: Promise<void> | undefined;
  #pauseTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #isClosed = false;

  constructor(settings: SandboxSettings, parts: SandboxParts, events: StarterEvents) {
    this.#settings = settings;
    this.#walls = parts.walls ?? (settings.spawn ? undefined : standingWalls());
    this.#parts = this.#walls ? { ...parts, walls: this.#walls } : parts;
    this.#events = events;
  }

  get spare(): ExecutorProcess | undefined {
    return this.#spare;
  }

  get mayStart(): boolean {
    if (this.#spare) return true;
    return this.#pause === undefined && this.processes.size <= 2 * this.#settings.maxExecutors;
  }

  /** The spare, or a new one; ask `mayStart` before. */
  take(): ExecutorProcess {
    const executor = this.#spare ?? this.#start();
    this.#spare = undefined;
    this.#refillSoon();
    return executor;
  }

  /** Makes the spare. */
  refill(): void {
    clearTimeout(this.#refill);
    this.#refill = undefined;
    if (this.#isClosed || this.#spare || this.#pause || this.#settings.spareExecutors === 0) return;
    this.#spare = this.#start();
  }

  #refillSoon(): void {
    this.#refill ??= setTimeout(() => this.refill(), REFILL_MS).unref();
  }

  #start(): ExecutorProcess {
    const executor = new ExecutorProcess(this.#settings, this.#parts, {
      ...this.#events,
      onReady: (ready) => {
        this.#failures = 0;
        this.#walls?.confirm();
        this.#events.onReady(ready);
      },
      onDead: (dead) => this.#onDead(dead),
    });
    this.processes.add(executor);
    return executor;
  }

  #onDead(executor: ExecutorProcess): void {
    this.processes.delete(executor);
    if (this.#spare === executor) this.#spare = undefined;
    const gaveUp = !this.#isClosed && !executor.wasReady && this.#noteFailure();
    this.#events.onDead(executor, gaveUp);
    if (!this.#isClosed) this.#refillSoon();
  }

  /** Answers whether too many have failed in a row. */
  #noteFailure(): boolean {
    if (this.#walls?.areKnown === false) {
      this.#pauseUntil(this.#walls.tryOut());
      return false;
    }
    this.#failures++;
    const backoffMs = Math.min(START_BACKOFF_MS.initial * 2 ** this.#failures, START_BACKOFF_MS.max);
    this.#pauseUntil(
      new Promise((resolve) => {
        this.#pauseTimer = setTimeout(resolve, backoffMs).unref();
      }),
    );
    return this.#failures >= MAX_START_FAILURES;
  }

  #pauseUntil(over: Promise<void>): void {
    this.#pause ??= over.then(() => {
      this.#pause = undefined;
      if (this.#isClosed) return;
      this.#events.onMayStart();
      this.refill();
    });
  }

  /** Ends all of them; resolves when they have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#refill);
    clearTimeout(this.#pauseTimer);
    const processes = [...this.processes];
    for (const executor of processes) executor.kill("shutdown");
    await Promise.all(processes.map((executor) => executor.closed));
  }
}

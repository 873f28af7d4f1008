import { closeSync, openSync, readSync } from "node:fs";

const PAGE_BYTES = 4096;
const STATM_BYTES = 128;

/** Reads a process's resident memory; undefined where the system does not tell (only Linux does). */
export class ResidentMemory {
  readonly #buffer = Buffer.alloc(STATM_BYTES);
  #descriptor: number | undefined;

  constructor(pid: number) {
    if (process.platform !== "linux") return;
    try {
      this.#descriptor = openSync(`/proc/${pid}/statm`, "r");
    } catch {
      // The process is gone already.
    }
  }

  readBytes(): number | undefined {
    if (this.#descriptor === undefined) return undefined;
    try {
      const length = readSync(this.#descriptor, this.#buffer, 0, STATM_BYTES, 0);
      const pages = Number(this.#buffer.toString("latin1", 0, length).split(" ", 2)[1]);
      return Number.isFinite(pages) ? pages * PAGE_BYTES : undefined;
    } catch {
      return undefined;
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

export interface MemoryBudget {
  /** What the executor itself may grow by. */
  slackBytes: number;
  /** The most any executor may hold, whatever runs. */
  maxBytes: number;
}

const MEGABYTE = 1_048_576;
/** An isolate takes more than its limit while it collects garbage. */
const COLLECTING_FACTOR = 1.5;
const ISOLATE_OVERHEAD_BYTES = 64 * MEGABYTE;

/** What one run may add to the resident memory. */
export function runAllowanceBytes(memoryMb: number): number {
  return memoryMb * MEGABYTE * COLLECTING_FACTOR + ISOLATE_OVERHEAD_BYTES;
}

/** The resident memory at which an executor is killed. */
export function residentLimitBytes(budget: MemoryBudget, idleBytes: number, allowanceBytes: number): number {
  return Math.min(budget.maxBytes, idleBytes + budget.slackBytes + allowanceBytes);
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

const WATCH_MS = 10;
/** How fast the allowance of runs that ended is taken back: isolates give their memory back late. */
const ALLOWANCE_DECAY_BYTES = 5 * MEGABYTE;

export interface Watched<Run> {
  /** What the runs under way may add, in all. */
  allowanceBytes(): number;
  runs(): Iterable<Run>;
  isIdle(): boolean;
}

/**
 * Looks at the clock and the resident memory of a process while it runs something: the walls that hold where an
 * isolate's own do not. The rest of the time it sleeps.
 */
export class ProcessWatch<Run extends WatchedRun> {
  readonly #memory: ResidentMemory;
  readonly #budget: MemoryBudget;
  readonly #watched: Watched<Run>;
  readonly #onDoom: (doom: Doom<Run>) => void;
  #timer: NodeJS.Timeout | undefined;
  #idleBytes = 0;
  #grantedBytes = 0;

  constructor(pid: number, budget: MemoryBudget, watched: Watched<Run>, onDoom: (doom: Doom<Run>) => void) {
    this.#memory = new ResidentMemory(pid);
    this.#budget = budget;
    this.#watched = watched;
    this.#onDoom = onDoom;
  }

  /** To be called whenever a run begins. */
  wake(): void {
    if (this.#timer) return;
    this.#idleBytes = this.#memory.readBytes() ?? 0;
    this.#grantedBytes = 0;
    this.#timer = setInterval(() => this.#tick(performance.now()), WATCH_MS).unref();
  }

  #tick(now: number): void {
    if (this.#watched.isIdle()) {
      this.#sleep();
      return;
    }
    this.#grantedBytes = Math.max(this.#watched.allowanceBytes(), this.#grantedBytes - ALLOWANCE_DECAY_BYTES);
    const limitBytes = residentLimitBytes(this.#budget, this.#idleBytes, this.#grantedBytes);
    const doom = decideKill(now, this.#memory.readBytes(), limitBytes, this.#watched.runs());
    if (!doom) return;
    this.#sleep();
    this.#onDoom(doom);
  }

  #sleep(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.#sleep();
    this.#memory.close();
  }
}

import type { GuestIsolate } from "./guest-isolate.ts";

const TICK_MS = 10;

/**
 * Looks at the isolates that run something: ends them at their deadline or when their processor time is used up, and
 * tells of those over their memory. Asleep while nothing runs.
 *
 * What is known of an isolate is how long threads were at work for it, whether or not they had a processor. So the
 * processor time of the whole process is shared out by that.
 */
export class RunWatch {
  readonly #busy: ReadonlySet<GuestIsolate>;
  /** Says that an isolate was told to end for what it used, for the case that it does not stop. */
  readonly #onOver: (isolate: GuestIsolate, what: "memory" | "cpu") => void;
  readonly #onTick: () => void;
  readonly #reported = new WeakSet<GuestIsolate>();
  #timer: NodeJS.Timeout | undefined;
  #cpuMs = 0;
  #lookedAt = 0;

  constructor(
    busy: ReadonlySet<GuestIsolate>,
    onOver: (isolate: GuestIsolate, what: "memory" | "cpu") => void,
    onTick: () => void,
  ) {
    this.#busy = busy;
    this.#onOver = onOver;
    this.#onTick = onTick;
  }

  /** To be called whenever something begins to run. */
  wake(): void {
    if (this.#timer) return;
    this.#cpuMs = processCpuMs();
    this.#lookedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(performance.now()), TICK_MS);
  }

  #tick(now: number): void {
    this.#onTick();
    if (this.#busy.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#shareOutCpu(now - this.#lookedAt);
    this.#lookedAt = now;
    for (const isolate of this.#busy) {
      isolate.checkDeadline(now);
      if (isolate.isOverMemory) this.#report(isolate, "memory");
      if (isolate.stopReason === "function_cpu_exceeded") this.#report(isolate, "cpu");
    }
  }

  #shareOutCpu(elapsedMs: number): void {
    const before = this.#cpuMs;
    this.#cpuMs = processCpuMs();
    const shares = [...this.#busy].map((isolate) => ({
      isolate,
      workedMs: isolate.takeWorkedMs(elapsedMs),
    }));
    const allMs = shares.reduce((sum, { workedMs }) => sum + workedMs, 0);
    if (allMs === 0) return;
    for (const { isolate, workedMs } of shares) {
      isolate.chargeCpu(shareOfCpu(this.#cpuMs - before, workedMs, allMs));
    }
  }

  #report(isolate: GuestIsolate, what: "memory" | "cpu"): void {
    if (this.#reported.has(isolate)) return;
    this.#reported.add(isolate);
    this.#onOver(isolate, what);
  }
}

/** A thread never used more processor time than it was at work. */
export function shareOfCpu(processMs: number, workedMs: number, allWorkedMs: number): number {
  return Math.min(workedMs, (processMs * workedMs) / allWorkedMs);
}

function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

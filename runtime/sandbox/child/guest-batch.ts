import type { GuestOutcome } from "./guest-outcome.ts";
import type { GuestRun } from "./guest-run.ts";

/**
 * Runs that an isolate was given together: one is under way, those behind it have not begun.
 *
 * A run: behind → under way → done, or given back. The last one's outcome waits here as `settled` until the isolate has
 * come to rest.
 */
export class GuestBatch {
  readonly #runs: GuestRun[];
  /** Index of the run under way. */
  #at = 0;
  #runSince = performance.now();
  #runCpuMs = 0;
  settled: GuestOutcome | undefined;
  /** Entries of the run under way, beside the one that began the batch. */
  laterEntries = 0;

  constructor(runs: GuestRun[]) {
    this.#runs = runs;
  }

  /** The run under way. */
  get current(): GuestRun | undefined {
    return this.#runs[this.#at];
  }

  /** A run is under way and has no result yet. */
  get isOpen(): boolean {
    return this.current !== undefined && this.settled === undefined;
  }

  /** The run under way has ended and the next one begins; false where none is behind it. */
  goOn(ended: GuestOutcome): boolean {
    if (this.#at + 1 >= this.#runs.length) return false;
    this.current?.done(ended);
    this.#at++;
    this.#runSince = performance.now();
    this.#runCpuMs = 0;
    this.laterEntries = 0;
    return true;
  }

  /** Those behind the run under way begin elsewhere. */
  giveBackRest(): void {
    for (const run of this.#runs.splice(this.#at + 1)) run.giveBack();
  }

  /** Whether the time of the run under way is over. */
  isOverdue(now: number): boolean {
    const run = this.current;
    return run !== undefined && now - this.#runSince >= run.wallMs;
  }

  /** Charges the run under way; true once it has used up its processor time. */
  chargeCpu(ms: number): boolean {
    const run = this.current;
    if (!run) return false;
    this.#runCpuMs += ms;
    return this.#runCpuMs > run.cpuMs;
  }
}

import { UNHANDLED_REJECTION } from "../../../functions/guest/thrown.ts";
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
  /** The run under way leaves an isolate that none behind it may have. */
  endsIsolate = false;
  /** Whether one of the runs left a rejection that nobody handled. */
  #hasLooseEnds = false;

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

  /** Whether its runs are to go alone: those behind one had to be given back, or it may be told apart from them only so. */
  get goesAlone(): boolean {
    return this.laterEntries > 0 || this.endsIsolate || this.#hasLooseEnds;
  }

  /**
   * Tells in the log of the run under way of a rejection that nobody handled, also where the run has its result. The
   * first entry is that of all runs so far: which of them it was cannot be known.
   */
  noteUnhandled(thrown: string, isFirstEntry: boolean): void {
    this.#hasLooseEnds = true;
    const whose = isFirstEntry && this.#at > 0 ? " (in this run or one just before it)" : "";
    this.current?.log("error", `${UNHANDLED_REJECTION}${whose}: ${thrown}`, "", Date.now());
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

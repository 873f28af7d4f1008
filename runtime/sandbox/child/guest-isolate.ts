import type ivmTypes from "isolated-vm";
import type { HostMessageKind } from "../../../functions/guest/host.ts";
import { writeThrown } from "../../../functions/guest/thrown.ts";
import { authorFrames } from "./author-frames.ts";
import { GuestAlarm } from "./guest-alarm.ts";
import { GuestBatch } from "./guest-batch.ts";
import { type BootedContext, bootContext, type Ivm, toGuestBytes } from "./guest-context.ts";
import { GuestMemory } from "./guest-memory.ts";
import {
  brokeDown,
  describeHost,
  type GuestOutcome,
  type GuestStopReason,
  memoryExceeded,
  outcome,
  settledOutcome,
  stopped,
} from "./guest-outcome.ts";
import type { GuestRun } from "./guest-run.ts";
import { answerAtOnce, type HostFunctions } from "./host-functions.ts";
import type { RevisionScript } from "./revision-script.ts";
import { ThreadTime } from "./thread-time.ts";

const [START, TIMER, MESSAGE] = [0, 1, 2];

/** What the guest is told of a batch. */
export interface GivenToBatch {
  /** JSON of GuestStart[]. */
  starts: string;
  /** The short bodies of the requests that they answer, one behind the other. */
  bodies: string;
}

/**
 * One isolate: booted ahead, loaded with one revision, then running batches of runs one after another.
 *
 * booting → idle ⇄ busy → gone. A batch is over when its last run has settled *and* nothing is on a thread for it: an
 * isolate that still spins in microtasks, or has a key made, is not idle. `gone` is final: stopped, out of memory,
 * evicted, or not to be reused.
 */
export class GuestIsolate {
  readonly memoryMb: number;
  idleSince = 0;
  /** How long its first batch waited for it to be booted and loaded; undefined before. */
  loadMs: number | undefined;
  /** Resolves when a context stands, or never will. */
  readonly booted: Promise<void>;

  readonly #ivm: Ivm;
  readonly #isolate: ivmTypes.Isolate;
  readonly #hostFunctions: HostFunctions<GuestIsolate>;
  readonly #onIdle: (isolate: GuestIsolate) => void;
  readonly #alarm = new GuestAlarm(() => this.#enterGuest([TIMER, performance.now()]));
  readonly #time: ThreadTime;
  readonly #memory: GuestMemory;
  #guest: BootedContext | undefined;
  #batch = new GuestBatch([]);
  #stopReason: GuestStopReason | undefined;
  #entries = 0;
  #isUnfit = false;
  /** It could not be booted. */
  #isBroken = false;
  #gone = false;
  /** What came for the run before its isolate was ready; undefined once it is. */
  #early: unknown[][] | undefined;

  /** `onIdle` is called when a batch is over, unless the isolate is gone. */
  constructor(
    ivm: Ivm,
    snapshot: ivmTypes.ExternalCopy<ArrayBuffer>,
    memoryMb: number,
    hostFunctions: HostFunctions<GuestIsolate>,
    onIdle: (isolate: GuestIsolate) => void,
  ) {
    this.#ivm = ivm;
    this.memoryMb = memoryMb;
    this.#hostFunctions = hostFunctions;
    this.#onIdle = onIdle;
    this.#isolate = new ivm.Isolate({
      memoryLimit: Math.max(memoryMb, 8),
      snapshot,
      onCatastrophicError: (message) => this.#onCatastrophe(message),
    });
    this.#time = new ThreadTime(this.#isolate);
    this.#memory = new GuestMemory(this.#isolate);
    this.booted = this.#boot();
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** The run under way. */
  get current(): GuestRun | undefined {
    return this.#batch.current;
  }

  /** Whether this run is under way and has no result yet. */
  isRunning(run: GuestRun | undefined): boolean {
    return run !== undefined && this.current === run && this.#batch.isOpen && !this.#gone;
  }

  /** Passed its memory limit and has not come to rest yet. */
  get isOverMemory(): boolean {
    return !this.#gone && this.#stopReason === undefined && this.#isolate.isDisposed;
  }

  get stopReason(): GuestStopReason | undefined {
    return this.#stopReason;
  }

  async #boot(): Promise<void> {
    try {
      this.#guest = await bootContext(this.#ivm, this.#isolate, {
        onLog: this.#onLog,
        onSettle: this.#onSettle,
        onWake: this.#onWake,
        onSend: this.#onSend,
        ...answerAtOnce(this.#hostFunctions),
      });
    } catch {
      this.#isBroken = !this.#isolate.isDisposed;
      this.#disposeQuietly();
    }
  }

  /**
   * Begins a batch. `script` is the revision's, where the isolate has not been loaded with it.
   */
  start(runs: GuestRun[], given: GivenToBatch, script?: RevisionScript): void {
    this.#batch = new GuestBatch(runs);
    this.#time.beginBatch();
    if (script === undefined) this.#enterToStart(undefined, given);
    else {
      this.#early = [];
      void this.#load(script, given);
    }
  }

  #enterToStart(factory: unknown, { starts, bodies }: GivenToBatch): void {
    this.#enterGuest([START, performance.now(), factory, starts, bodies]);
  }

  async #load(script: RevisionScript, given: GivenToBatch): Promise<void> {
    this.#entries++;
    const askedAt = performance.now();
    await this.booted;
    try {
      const factory = this.#guest && (await script.evaluate(this.#isolate, this.#guest.context));
      if (factory) {
        this.loadMs = performance.now() - askedAt;
        this.#enterToStart(factory.derefInto({ release: true }), given);
        for (const values of this.#takeEarly()) this.#enterGuest(values);
      }
    } catch (thrown) {
      // A script that does not compile: what it says is the author's business.
      this.#isUnfit = true;
      if (!this.#isolate.isDisposed) {
        this.#batch.settled ??= outcome("function_error", JSON.stringify(describeHost(thrown)));
      }
    } finally {
      this.#leave();
    }
  }

  /** Gives the guest an answer to what it asked for; ignored where no run is under way. */
  deliver(kind: HostMessageKind, no: number, text: string, bytes?: Uint8Array): void {
    if (!this.#batch.isOpen) return;
    const argument = bytes === undefined ? undefined : toGuestBytes(this.#ivm, bytes);
    const values = [MESSAGE, performance.now(), kind, no, text, argument];
    if (this.#early) this.#early.push(values);
    else this.#enterGuest(values);
  }

  #takeEarly(): unknown[][] {
    const early = this.#early ?? [];
    this.#early = undefined;
    return early;
  }

  #enterGuest(values: unknown[]): void {
    if (!this.#guest || this.#isolate.isDisposed) return;
    this.#entries++;
    const isFirst = values[0] === START;
    if (!isFirst) this.#batch.laterEntries++;
    this.#guest.enter
      .apply(undefined, values)
      .then(this.#onLeft, isFirst ? this.#onStartThrown : this.#onThrown);
  }

  readonly #onLeft = (nextTimerMs: unknown): void => {
    if (typeof nextTimerMs === "number" && nextTimerMs >= 0) this.#arm(nextTimerMs);
    this.#leaveGuest();
  };

  /** An entry rejects when its isolate died, and when the guest left rejections unhandled: with the first of them. */
  readonly #onThrown = (thrown: unknown): void => this.#leaveThrown(thrown, false);
  readonly #onStartThrown = (thrown: unknown): void => this.#leaveThrown(thrown, true);

  #leaveThrown(thrown: unknown, isFirstEntry: boolean): void {
    if (!this.#isolate.isDisposed) {
      const { name, message, stack } = describeHost(thrown);
      const text = writeThrown({ name, message, stack: authorFrames(stack) });
      this.#batch.noteUnhandled(text, isFirstEntry);
      this.#arm(0);
    }
    this.#leaveGuest();
  }

  /** What the batch's first entry did not come to, no later one does, also where that one is on its way already. */
  #leaveGuest(): void {
    this.#batch.giveBackRest();
    this.#leave();
  }

  #leave(): void {
    this.#entries--;
    if (this.#entries > 0) return;
    if ((this.#batch.settled && this.#isAtRest) || this.#isolate.isDisposed) this.#complete();
  }

  /** For the guest's timers; the guest asks for an earlier one through `wake`. */
  #arm(delayMs: number): void {
    if (this.#batch.isOpen && !this.#gone && !this.#isolate.isDisposed) {
      this.#alarm.set(delayMs);
    }
  }

  readonly #onWake = (delayMs: unknown): void => {
    if (typeof delayMs === "number") this.#arm(delayMs);
  };

  readonly #onLog = (no: unknown, level: unknown, message: unknown, fields: unknown, at: unknown): void => {
    const run = this.current;
    if (run?.id === no) run?.log(String(level), String(message), String(fields), Number(at));
  };

  readonly #onSend = (kind: unknown, no: unknown, text: unknown, bytes: unknown): void => {
    if (!this.#batch.isOpen || typeof no !== "number") return;
    const given = bytes instanceof Uint8Array ? bytes : undefined;
    this.#hostFunctions.onMessage(this, String(kind), no, String(text), given);
  };

  readonly #onSettle = (
    no: unknown,
    code: unknown,
    text: unknown,
    droppedLines: unknown,
    isUnfit: unknown,
  ): void => {
    if (this.current?.id !== no || this.#batch.settled) return;
    if (isUnfit === true) this.#isUnfit = this.#batch.endsIsolate = true;
    const result = settledOutcome(String(code), String(text), Number(droppedLines), this);
    this.#alarm.clear();
    // Stopped while this was on its way: the next one has no part in that.
    if (!this.#isUnfit && this.#stopReason === undefined && this.#batch.goOn(result)) return;
    this.#batch.settled = result;
    if (this.#isAtRest) this.#complete();
  };

  /** Stops the run under way once its time is over. */
  checkDeadline(now: number): void {
    if (this.#batch.isOverdue(now)) this.stop("function_timeout");
  }

  /** This process begins to work for the guest, on a thread that is not the isolate's. */
  beginWork(): void {
    this.#time.works++;
  }

  endWork(): void {
    this.#time.works--;
    if (this.#batch.settled && this.#isAtRest) this.#complete();
  }

  /** Nothing is on a thread for it. */
  get #isAtRest(): boolean {
    return this.#entries === 0 && this.#time.works === 0;
  }

  /** Milliseconds of threads that were at work for it in the last `elapsedMs`. */
  takeWorkedMs(elapsedMs: number): number {
    return this.#time.takeMs(elapsedMs);
  }

  /** Charges the run under way, and stops it where it has used up its processor time. */
  chargeCpu(ms: number): void {
    if (this.#batch.chargeCpu(ms)) this.stop("function_cpu_exceeded");
  }

  /** Ends the run under way by ending the isolate; `done` follows once its thread has let go. */
  stop(reason: GuestStopReason): void {
    if (this.#gone || this.#stopReason || this.current === undefined) return;
    if (!this.#isolate.isDisposed) this.#stopReason = reason;
    this.#disposeQuietly();
    if (this.#entries === 0) this.#complete();
  }

  /** What it holds, its own and outside its heap; to be asked at rest. */
  heldBytes(): number {
    return this.#memory.heldBytes();
  }

  /** Ends an idle isolate. */
  evict(): void {
    this.#gone = true;
    this.#disposeQuietly();
  }

  /** The isolate serves its batch and none after it. */
  forbidReuse(): void {
    this.#isUnfit = true;
  }

  #complete(): void {
    const batch = this.#batch;
    const run = batch.current;
    if (!run) return;
    batch.giveBackRest();
    this.#batch = new GuestBatch([]);
    this.#alarm.clear();
    const death = this.#isolate.isDisposed ? this.#outcomeOfDeath(run) : undefined;
    const heldBytes = this.#memory.measure(performance.now());
    if (this.#isUnfit) this.#disposeQuietly();
    if (this.#isolate.isDisposed) this.#gone = true;
    else this.idleSince = performance.now();
    const ranMs = this.#time.batchMs;
    // One that went on after its result keeps that; what ended it counts for the executor all the same.
    const result = batch.settled ?? death!;
    const recycle = death?.recycle ?? result.recycle;
    run.done({
      ...{ ...result, recycle, ranMs, waited: batch.goesAlone },
      ...(heldBytes === undefined ? {} : { heldBytes }),
    });
    if (!this.#gone) this.#onIdle(this);
  }

  #outcomeOfDeath(run: GuestRun): GuestOutcome {
    if (this.#isBroken) return brokeDown();
    return this.#stopReason ? stopped(this.#stopReason, run) : memoryExceeded(this.memoryMb);
  }

  /** V8 lost the isolate: its promises never settle and it must not be touched again. */
  #onCatastrophe(message: string): void {
    const run = this.current;
    this.#batch.giveBackRest();
    this.#batch = new GuestBatch([]);
    this.#gone = true;
    this.#alarm.clear();
    run?.done(/memory/i.test(message) ? memoryExceeded(this.memoryMb) : brokeDown());
  }

  #disposeQuietly(): void {
    this.#alarm.clear();
    try {
      this.#isolate.dispose();
    } catch {
      // Already disposed, by V8 for its memory.
    }
  }
}

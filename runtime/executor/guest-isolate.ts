import type ivmTypes from "isolated-vm";
import { FUNCTION_FILENAME, GUEST_LIMITS, PRELUDE_FILENAME } from "../../functions/guest/limits.ts";
import type { FailureCode, InvokeMessage } from "../sandbox/protocol.ts";

export type Ivm = typeof ivmTypes;

/** How a run ended inside; `code` "ok" carries the result in `text`. */
export interface GuestOutcome {
  code: FailureCode | "ok";
  /** The result's JSON; for `function_error` the JSON of name, message, stack; else a message. */
  text: string;
  droppedLines: number;
  /** Whether this process should take no more work. */
  recycle: boolean;
}

export interface GuestRun {
  id: number;
  log(level: string, message: string, fields: string, at: number): void;
  /** Once, when no code of the run is on a thread any more. */
  done(outcome: GuestOutcome): void;
}

type StopReason = "function_timeout" | "cancelled";

const STOP_TEXT: Record<StopReason, string> = {
  function_timeout: "The function did not finish in its time.",
  cancelled: "The run was cancelled.",
};

/**
 * One isolate, loaded with one revision, running one invocation at a time.
 *
 * booting → busy ⇄ idle → gone. A run is over when it has settled *and* no entry is on a thread: an isolate that
 * still spins in microtasks is not idle. `gone` is final: stopped, out of memory, or evicted.
 */
export class GuestIsolate {
  readonly revisionId: string;
  readonly memoryMb: number;
  runs = 0;
  idleSince = 0;

  readonly #isolate: ivmTypes.Isolate;
  #enter: ivmTypes.Reference | undefined;
  #run: GuestRun | undefined;
  #settled: GuestOutcome | undefined;
  #stopReason: StopReason | undefined;
  #entries = 0;
  #isUnfit = false;
  #gone = false;
  #alarm: NodeJS.Timeout | undefined;

  constructor(ivm: Ivm, revisionId: string, memoryMb: number) {
    this.revisionId = revisionId;
    this.memoryMb = memoryMb;
    this.#isolate = new ivm.Isolate({
      memoryLimit: Math.max(memoryMb, 8),
      onCatastrophicError: (message) => this.#onCatastrophe(message),
    });
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Passed its memory limit and has not come to rest yet. */
  get isOverMemory(): boolean {
    return !this.#gone && this.#stopReason === undefined && this.#isolate.isDisposed;
  }

  /** Begins a run in an isolate that is new (give `boot`) or idle. */
  start(run: GuestRun, message: InvokeMessage, boot?: { ivm: Ivm; prelude: string; code: string }): void {
    this.#run = run;
    this.#settled = undefined;
    this.runs++;
    if (boot) void this.#boot(boot, message);
    else this.#enterGuest([0, performance.now(), run.id, message.input, message.facts]);
  }

  async #boot({ ivm, prelude, code }: { ivm: Ivm; prelude: string; code: string }, message: InvokeMessage) {
    this.#entries++;
    try {
      const context = await this.#isolate.createContext();
      const source = `"use strict";\n${prelude}\nreturn installGuest($0, $1, $2, $3);`;
      const host = [
        new ivm.Callback(this.#onLog, { ignored: true }),
        new ivm.Callback(this.#onSettle, { ignored: true }),
        new ivm.Callback(this.#onWake),
        JSON.stringify(GUEST_LIMITS),
      ];
      const options = { result: { reference: true }, filename: PRELUDE_FILENAME, lineOffset: -1 } as const;
      this.#enter = (await context.evalClosure(source, host, options)) as ivmTypes.Reference;
      // On one line with the script's first, so that line numbers hold.
      const wrapped = `(function (module, exports) {${code}\n})`;
      const factory = await context.eval(wrapped, { reference: true, filename: FUNCTION_FILENAME });
      const { input, facts, id } = message;
      this.#enterGuest([0, performance.now(), id, input, facts, factory.derefInto({ release: true })]);
    } catch (thrown) {
      // A script that does not compile: what it says is the author's business.
      this.#isUnfit = true;
      if (!this.#isolate.isDisposed) {
        this.#settled ??= outcome("function_error", JSON.stringify(describeHost(thrown)));
      }
    } finally {
      this.#leave();
    }
  }

  #enterGuest(values: unknown[]): void {
    if (!this.#enter || this.#isolate.isDisposed) return;
    this.#entries++;
    this.#enter.apply(undefined, values).then(this.#onLeft, this.#onThrown);
  }

  readonly #onLeft = (nextTimerMs: unknown): void => {
    if (typeof nextTimerMs === "number" && nextTimerMs >= 0) this.#arm(nextTimerMs);
    this.#leave();
  };

  /** An entry rejects when its isolate died, and when the guest left a rejection unhandled. */
  readonly #onThrown = (thrown: unknown): void => {
    if (!this.#isolate.isDisposed) {
      const { name, message } = describeHost(thrown);
      if (!this.#settled) this.#run?.log("error", `Unhandled rejection: ${name}: ${message}`, "", Date.now());
      this.#arm(0);
    }
    this.#leave();
  };

  #leave(): void {
    this.#entries--;
    if (this.#entries === 0 && (this.#settled || this.#isolate.isDisposed)) this.#complete();
  }

  /** The alarm for the guest's timers; the guest asks for an earlier one through `wake`. */
  #arm(delayMs: number): void {
    if (!this.#run || this.#settled || this.#gone || this.#isolate.isDisposed) return;
    clearTimeout(this.#alarm);
    this.#alarm = setTimeout(() => this.#enterGuest([1, performance.now()]), delayMs);
  }

  readonly #onWake = (delayMs: unknown): void => {
    if (typeof delayMs === "number") this.#arm(delayMs);
  };

  readonly #onLog = (id: unknown, level: unknown, message: unknown, fields: unknown, at: unknown): void => {
    if (id === this.#run?.id) this.#run!.log(String(level), String(message), String(fields), Number(at));
  };

  readonly #onSettle = (id: unknown, code: unknown, text: unknown, droppedLines: unknown): void => {
    if (id !== this.#run?.id) return;
    // A module that threw while it was loaded is half there: the next run loads it anew.
    this.#isUnfit ||= code === "load_failed";
    const known = (code === "load_failed" ? "function_error" : code) as GuestOutcome["code"];
    this.#settled ??= outcome(known, String(text), Number(droppedLines));
    clearTimeout(this.#alarm);
    if (this.#entries === 0) this.#complete();
  };

  /** Ends the run under way by ending the isolate; `done` follows once its thread has let go. */
  stop(reason: StopReason): void {
    if (this.#gone || this.#stopReason || !this.#run) return;
    if (!this.#isolate.isDisposed) this.#stopReason = reason;
    this.#disposeQuietly();
    if (this.#entries === 0) this.#complete();
  }

  /** Ends an idle isolate. */
  evict(): void {
    this.#gone = true;
    this.#disposeQuietly();
  }

  #complete(): void {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    clearTimeout(this.#alarm);
    if (this.#isUnfit) this.#disposeQuietly();
    if (this.#isolate.isDisposed) this.#gone = true;
    else this.idleSince = performance.now();
    run.done(this.#settled ?? this.#outcomeOfDeath());
  }

  #outcomeOfDeath(): GuestOutcome {
    const reason = this.#stopReason;
    if (!reason) return memoryExceeded(this.memoryMb);
    return { ...outcome(reason, STOP_TEXT[reason]), recycle: reason === "function_timeout" };
  }

  /** V8 lost the isolate: its promises never settle and it must not be touched again. */
  #onCatastrophe(message: string): void {
    const run = this.#run;
    this.#run = undefined;
    this.#gone = true;
    clearTimeout(this.#alarm);
    const isMemory = /memory/i.test(message);
    const fault = { ...outcome("executor_fault", "The isolate of this run broke down."), recycle: true };
    run?.done(isMemory ? memoryExceeded(this.memoryMb) : fault);
  }

  #disposeQuietly(): void {
    clearTimeout(this.#alarm);
    try {
      this.#isolate.dispose();
    } catch {
      // Already disposed, by V8 for its memory.
    }
  }
}

function outcome(code: GuestOutcome["code"], text: string, droppedLines = 0): GuestOutcome {
  return { code, text, droppedLines, recycle: false };
}

function memoryExceeded(memoryMb: number): GuestOutcome {
  const text = `The function used more than its ${memoryMb} MB of memory.`;
  return { code: "function_memory_exceeded", text, droppedLines: 0, recycle: true };
}

/** An error as isolated-vm rebuilt it on this side: plain data, bounded. */
function describeHost(thrown: unknown): { name: string; message: string; stack: string } {
  if (!(thrown instanceof Error)) return { name: "Error", message: clip(String(thrown)), stack: "" };
  return { name: clip(thrown.name), message: clip(thrown.message), stack: clip(thrown.stack ?? "") };
}

function clip(text: string): string {
  return text.slice(0, GUEST_LIMITS.errorChars);
}

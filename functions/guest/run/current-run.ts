/**
 * The run under way in this isolate: one at a time. begun → ended, once, by `endRun`; what it logs, sets or asks for
 * after that is ignored.
 */
import { describeFailure } from "./attempt-words.ts";
import { describe } from "./describe.ts";
import { slice, stringify } from "./primordials.ts";
import { fittingChars } from "./text.ts";

export interface GuestRun {
  /** The executor's number for it. */
  readonly no: number;
  ended: boolean;
  readonly maxLines: number;
  readonly maxResultBytes: number;
  /** When its time is over. */
  readonly deadlineAtMs: number;
  lines: number;
  dropped: number;
  /** A failure is final. */
  noRetry: boolean;
  /** Lets the next run of the row begin. */
  onOver: (() => void) | undefined;
}

/** How the executor hears of a run. */
export interface RunHost {
  log(no: number, level: string, message: string, fields: string, at: number): void;
  settle(no: number, code: string, text: string, dropped: number, leavesUnanswered: boolean): void;
  /** Asks for a timer entry in so many milliseconds, in place of a later one. */
  wake(delayMs: number): void;
}

export let runHost: RunHost;
export let currentRun: GuestRun = makeRun(0, 0, 0, 0);
currentRun.ended = true;

/** Called when a run has ended, in this order. */
const endHooks: (() => void)[] = [];

/** Whether what a run of this isolate asked for outside will never be answered: the isolate is not used again. */
let leavesUnanswered = false;

/**
 * To be called where a run ends, or is over, before an answer that its code waits for: a module variable may hold the
 * promise, and later runs would wait for it in vain, or be given its rejection.
 */
export function noteUnanswered(): void {
  leavesUnanswered = true;
}

export function connectRunHost(host: RunHost): void {
  runHost = host;
}

export function onRunEnd(hook: () => void): void {
  endHooks[endHooks.length] = hook;
}

export function beginRun(
  no: number,
  maxLines: number,
  maxResultBytes: number,
  deadlineAtMs: number,
): GuestRun {
  currentRun = makeRun(no, maxLines, maxResultBytes, deadlineAtMs);
  return currentRun;
}

function makeRun(no: number, maxLines: number, maxResultBytes: number, deadlineAtMs: number): GuestRun {
  const counts = { maxLines, maxResultBytes, deadlineAtMs, lines: 0, dropped: 0 };
  return { __proto__: null, no, ended: false, noRetry: false, ...counts, onOver: undefined } as GuestRun;
}

export function endRun(run: GuestRun, code: string, text: string): void {
  if (run.ended) return;
  run.ended = true;
  for (let i = 0; i < endHooks.length; i++) {
    try {
      endHooks[i]!();
    } catch {
      // Built-ins that the author replaced: what is left open then is his own runs' to see.
    }
  }
  runHost.settle(run.no, code, text, run.dropped, leavesUnanswered);
  run.onOver?.();
}

export function failRun(run: GuestRun, thrown: unknown): void {
  failRunAs(run, "function_error", thrown);
}

/** What V8 says where a buffer does not fit into the isolate's memory. */
const NO_MEMORY = "Array buffer allocation failed";

/** @param code where it is not told by what was thrown */
export function failRunAs(run: GuestRun, code: "function_error" | "load_failed", thrown: unknown): void {
  if (run.ended) return;
  const failure = describeFailure(thrown);
  const { name, message } = failure;
  if (run.noRetry) failure.again = "fatal";
  if (name === "RangeError" && message === NO_MEMORY) endRun(run, "function_memory_exceeded", "");
  else endRun(run, code, stringify(failure));
}

/** Ends the run with the function's value as JSON. */
export function finishRun(run: GuestRun, value: unknown): void {
  const json = toResultJson(run, value);
  if (json !== undefined) endRun(run, "ok", json);
}

const CIRCULAR = "Converting circular structure to JSON";
const BIGINT = "Do not know how to serialize a BigInt";

/** What V8 says of values that JSON has no form for. */
function isOfJson(message: string): boolean {
  return slice(message, 0, CIRCULAR.length) === CIRCULAR || slice(message, 0, BIGINT.length) === BIGINT;
}

/** The function's value as JSON; where it is none, or too large, the run ends and there is none. */
export function toResultJson(run: GuestRun, value: unknown): string | undefined {
  if (run.ended) return undefined;
  let json: string | undefined;
  try {
    json = value === undefined ? "null" : stringify(value);
  } catch (thrown) {
    const { name, message } = describe(thrown);
    // Not every TypeError: a `toJSON` of the author's may have thrown it.
    if (name !== "TypeError" || !isOfJson(message)) failRun(run, thrown);
    else endRun(run, "result_not_json", `The result is not JSON: ${slice(message, 0, 1_000)}`);
    return undefined;
  }
  if (json === undefined) {
    endRun(run, "result_not_json", `The result is not JSON: it is a ${typeof value}.`);
    return undefined;
  }
  const { maxResultBytes } = run;
  if (json.length * 3 > maxResultBytes && fittingChars(json, maxResultBytes) < json.length) {
    refuseLargeResult(run);
    return undefined;
  }
  return json;
}

export function refuseLargeResult(run: GuestRun): void {
  endRun(run, "result_too_large", `The result takes more than ${run.maxResultBytes} bytes as JSON.`);
}

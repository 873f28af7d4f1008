/**
 * The HTTP call of the run under way as the executor knows it: messages both ways, chunks against credit. They mirror
 * runtime/sandbox/protocol/call-messages.ts.
 *
 * open → left (the caller is gone, or the run cancelled: nothing more is sent) → over, with its run.
 *
 * What holds the way to the host is called with nothing of the author's, and calls only what was captured.
 */
import { host, onMessage } from "../host.ts";
import { apply, min, stringify } from "../run/primordials.ts";
import type { HeaderPair } from "../web/headers.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const WINDOW_BYTES = 262_144;
const CHUNK_BYTES = 65_536;
/** Credit is given back in pieces of at least this. */
const PULL_BYTES = 65_536;

export interface CallEvents {
  onData(bytes: Bytes): void;
  onEnd(): void;
  /** Nobody takes the response any more, and why. */
  onLeave(why: string): void;
  /** Response bytes may be sent again. */
  onCredit(): void;
}

export interface ResponseHead {
  status: number;
  /** Undefined: the usual one. */
  statusText?: string | undefined;
  headers: readonly HeaderPair[];
}

interface Call {
  readonly no: number;
  events: CallEvents;
  credit: number;
  ungranted: number;
  isLeft: boolean;
  response: "none" | "begun" | "ended" | "cancelled";
}

let current: Call | undefined;
const { slice } = Uint8Array.prototype;

export function openCall(no: number, events: CallEvents): void {
  const state = { credit: WINDOW_BYTES, ungranted: 0, isLeft: false, response: "none" };
  current = { __proto__: null, no, events, ...state } as Call;
}

/** The run is over: what is still said of its call goes nowhere. */
export function resetCall(): void {
  current = undefined;
}

/** Whether nobody takes the response any more. */
export function isCallLeft(): boolean {
  return current === undefined || current.isLeft;
}

/** Whether its run was cancelled while the response was under way. */
export function isResponseCancelled(): boolean {
  return current?.response === "cancelled";
}

/** Its run is cancelled. A response that has not begun may still be the run's result, and one that has ended is it. */
export function cancelResponse(no: number): void {
  const call = current;
  if (call?.no !== no || call.isLeft || call.response !== "begun") return;
  call.response = "cancelled";
  call.isLeft = true;
  call.events.onLeave("The run was cancelled");
}

export function sendResponseHead({ status, statusText, headers }: ResponseHead): void {
  if (current === undefined || current.isLeft) return;
  current.response = "begun";
  host().send("call-head", current.no, stringify({ __proto__: null, status, statusText, headers }));
}

/** Sends as much as there is credit for, at most one chunk. Answers how many bytes it took. */
export function sendResponseBytes(bytes: Bytes): number {
  const call = current;
  if (call === undefined || call.isLeft) return bytes.byteLength;
  const count = min(bytes.byteLength, call.credit, CHUNK_BYTES);
  if (count <= 0) return 0;
  call.credit -= count;
  // A copy of its own: a view would take the whole buffer under it along.
  host().send("call-data", call.no, "", apply(slice, bytes, [0, count]) as Bytes);
  return count;
}

export function endResponse(): void {
  if (current === undefined || current.isLeft) return;
  current.response = "ended";
  host().send("call-end", current.no, "");
}

/** The author's side has taken so many bytes of the request. */
export function grantRequest(bytes: number): void {
  const call = current;
  if (call === undefined) return;
  call.ungranted += bytes;
  if (call.ungranted < PULL_BYTES) return;
  host().send("call-pull", call.no, `${call.ungranted}`);
  call.ungranted = 0;
}

/** To be called while the snapshot is made. */
export function receiveCalls(): void {
  onMessage("call-data", (no, _text, bytes) => {
    if (current?.no === no && bytes !== undefined) current.events.onData(bytes as Bytes);
  });
  onMessage("call-end", (no) => {
    if (current?.no === no) current.events.onEnd();
  });
  onMessage("call-pull", (no, text) => {
    if (current?.no !== no) return;
    current.credit += +text;
    current.events.onCredit();
  });
  onMessage("call-leave", (no) => {
    if (current?.no !== no || current.isLeft) return;
    current.isLeft = true;
    current.events.onLeave("The caller is gone");
  });
}

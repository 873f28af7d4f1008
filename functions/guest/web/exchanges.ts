/**
 * The run's fetches as the executor knows them: messages both ways, chunks against credit.
 *
 * waiting (for one of the places) → open → head seen → over. `over` is final: ended, failed, cancelled, or its run is.
 *
 * What holds the way to the host is called with nothing of the author's, and calls only what was captured.
 */
import { host, onMessage } from "../host.ts";
import { currentRun } from "../run/current-run.ts";
import {
  apply,
  mapClear,
  mapDelete,
  mapGet,
  mapSet,
  min,
  NativeMap,
  parse,
  stringify,
} from "../run/primordials.ts";
import type { HeaderPair } from "./headers.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** All of these mirror runtime/sandbox/protocol/fetch-messages.ts. */
const WINDOW_BYTES = 262_144;
const CHUNK_BYTES = 65_536;
const MAX_AT_ONCE = 16;
export interface ExchangeHead {
  status: number;
  statusText: string;
  headers: HeaderPair[];
  url: string;
  redirected: boolean;
  isDecoded: boolean;
}

export interface ExchangeRequest {
  method: string;
  url: string;
  headers: HeaderPair[];
  redirect: string;
  hasBody: boolean;
}

/** A loop that fetches and cancels must not flood the executor; the run's own limit is far below. */
const MAX_IN_A_RUN = 20_000;
/** Credit is given back in pieces of at least this. */
const PULL_BYTES = 65_536;

/** What the owner of an exchange hears; each is called at most as the protocol allows. */
export interface ExchangeEvents {
  onHead(head: ExchangeHead): void;
  onData(bytes: Bytes): void;
  onEnd(): void;
  onFailed(code: string, message: string): void;
  /** Request bytes may be sent again. */
  onCredit(): void;
}

export interface Exchange {
  /** Bytes of the request's body that may be sent now. */
  credit(): number;
  /** At most `credit()` bytes, and at most CHUNK_BYTES of them at once. Answers how many it took. */
  send(bytes: Bytes): number;
  endBody(): void;
  /** Grants the answer so many more bytes. */
  grant(bytes: number): void;
  /** Says that the answer's body is being read, where the head says `isDecoded`. */
  beginReading(): void;
  cancel(): void;
}

interface Open {
  readonly no: number;
  readonly request: ExchangeRequest;
  readonly events: ExchangeEvents;
  credit: number;
  ungranted: number;
  isOpen: boolean;
  isOver: boolean;
  next: Open | undefined;
}

const exchanges = new NativeMap<number, Open>();
let openCount = 0;
let nextNo = 1;
/** Those that wait for a place, first come first served. */
let firstWaiting: Open | undefined;
let lastWaiting: Open | undefined;
const { slice } = Uint8Array.prototype;

export function openExchange(request: ExchangeRequest, events: ExchangeEvents): Exchange {
  const one = {
    __proto__: null,
    no: nextNo++,
    request,
    events,
    credit: WINDOW_BYTES,
    ungranted: 0,
    isOpen: false,
    isOver: false,
    next: undefined,
  } as unknown as Open;
  if (currentRun.ended) fail(one, "run_over", "the run is over");
  else if (one.no > MAX_IN_A_RUN) fail(one, "subrequest_limit", "the run made too many requests");
  else if (openCount < MAX_AT_ONCE) begin(one);
  else if (lastWaiting === undefined) firstWaiting = lastWaiting = one;
  else lastWaiting = lastWaiting.next = one;
  return {
    credit: () => (one.isOpen && !one.isOver ? one.credit : 0),
    send: (bytes) => sendChunk(one, bytes),
    endBody() {
      if (one.isOpen && !one.isOver) host().send("fetch-body-end", one.no, "");
    },
    grant: (bytes) => grant(one, bytes),
    beginReading() {
      if (one.isOpen && !one.isOver) host().send("fetch-read", one.no, "");
    },
    cancel: () => cancel(one),
  };
}

function begin(one: Open): void {
  one.isOpen = true;
  openCount++;
  mapSet(exchanges, one.no, one);
  const { method, url, headers, redirect, hasBody } = one.request;
  host().send("fetch", one.no, stringify({ __proto__: null, method, url, headers, redirect, hasBody }));
  if (hasBody) one.events.onCredit();
}

function sendChunk(one: Open, bytes: Bytes): number {
  if (!one.isOpen || one.isOver) return 0;
  const count = min(bytes.byteLength, one.credit, CHUNK_BYTES);
  if (count <= 0) return 0;
  one.credit -= count;
  // A copy of its own: a view would take the whole buffer under it along.
  host().send("fetch-data", one.no, "", apply(slice, bytes, [0, count]) as Bytes);
  return count;
}

function grant(one: Open, bytes: number): void {
  if (one.isOver) return;
  one.ungranted += bytes;
  if (one.ungranted < PULL_BYTES) return;
  host().send("fetch-pull", one.no, `${one.ungranted}`);
  one.ungranted = 0;
}

function cancel(one: Open): void {
  if (one.isOver) return;
  if (one.isOpen) host().send("fetch-cancel", one.no, "");
  finish(one);
}

function finish(one: Open): void {
  if (one.isOver) return;
  one.isOver = true;
  if (!one.isOpen) return;
  mapDelete(exchanges, one.no);
  openCount--;
  while (firstWaiting !== undefined && openCount < MAX_AT_ONCE) {
    const next = firstWaiting;
    firstWaiting = next.next;
    if (firstWaiting === undefined) lastWaiting = undefined;
    if (!next.isOver) begin(next);
  }
}

function fail(one: Open, code: string, message: string): void {
  finish(one);
  one.events.onFailed(code, message);
}

/** Ends all that the run left open: its numbers mean nothing to the next one. */
export function resetExchanges(): void {
  let left = firstWaiting;
  firstWaiting = lastWaiting = undefined;
  const open: Open[] = [];
  for (let no = 1; openCount > 0 && no < nextNo; no++) {
    const one = mapGet(exchanges, no);
    if (one) open[open.length] = one;
  }
  mapClear(exchanges);
  openCount = 0;
  nextNo = 1;
  for (let i = 0; i < open.length; i++) fail(open[i]!, "run_over", "the run that began it is over");
  openCount = 0;
  for (; left !== undefined; left = left.next) fail(left, "run_over", "the run that began it is over");
}

/** To be called while the snapshot is made. */
export function receiveExchanges(): void {
  onMessage("fetch-head", (no, text) => {
    mapGet(exchanges, no)?.events.onHead(parse(text) as ExchangeHead);
  });
  onMessage("fetch-data", (no, _text, bytes) => {
    if (bytes !== undefined) mapGet(exchanges, no)?.events.onData(bytes as Bytes);
  });
  onMessage("fetch-end", (no) => {
    const one = mapGet(exchanges, no);
    if (!one) return;
    finish(one);
    one.events.onEnd();
  });
  onMessage("fetch-failed", (no, text) => {
    const one = mapGet(exchanges, no);
    const { code, message } = parse(text) as { code: string; message: string };
    if (one) fail(one, code, message);
  });
  onMessage("fetch-pull", (no, text) => {
    const one = mapGet(exchanges, no);
    if (!one) return;
    one.credit += +text;
    one.events.onCredit();
  });
}

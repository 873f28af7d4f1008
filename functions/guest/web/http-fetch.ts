/** One http(s) fetch: a request's state becomes an exchange, and the exchange's answer a response. */
import { noteUnanswered } from "../run/current-run.ts";
import type { GuestAbortSignal } from "./abort.ts";
import { signals } from "./abort.ts";
import { Body, type ByteSource } from "./body.ts";
import { type Exchange, type ExchangeHead, openExchange } from "./exchanges.ts";
import { HeaderList, type HeaderPair } from "./headers.ts";
import type { RequestState } from "./request.ts";
import { type GuestResponse, isNullBodyStatus, networkResponse } from "./response.ts";
import { GuestURL } from "./url.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export function fetchFailed(code: string, message: string): TypeError {
  const cause = Object.assign(new Error(message), { code });
  return new TypeError(`fetch failed: ${message}`, { cause });
}

/** The chunks that have come and the reader that waits for one. */
export class Incoming implements ByteSource {
  #chunks: Bytes[] = [];
  #waiting: { resolve(chunk: Bytes | undefined): void; reject(thrown: unknown): void } | undefined;
  #end: { thrown: unknown; isError: boolean } | undefined;
  #onFirstRead: (() => void) | undefined;
  readonly #onTaken: (bytes: number) => void;
  readonly #onCancel: () => void;

  constructor(onTaken: (bytes: number) => void, onCancel: () => void) {
    this.#onTaken = onTaken;
    this.#onCancel = onCancel;
  }

  /** Calls `act` when the first chunk is asked for. */
  onFirstRead(act: () => void): void {
    this.#onFirstRead = act;
  }

  /** Somebody waits for the next chunk. */
  get isAwaited(): boolean {
    return this.#waiting !== undefined;
  }

  push(chunk: Bytes): void {
    if (this.#end) return;
    const waiting = this.#waiting;
    if (!waiting) {
      this.#chunks.push(chunk);
      return;
    }
    this.#waiting = undefined;
    this.#onTaken(chunk.byteLength);
    waiting.resolve(chunk);
  }

  end(): void {
    this.#finish({ thrown: undefined, isError: false });
  }

  fail(thrown: unknown): void {
    this.#chunks = [];
    this.#finish({ thrown, isError: true });
  }

  #finish(end: { thrown: unknown; isError: boolean }): void {
    if (this.#end) return;
    this.#end = end;
    if (end.isError) this.#waiting?.reject(end.thrown);
    else this.#waiting?.resolve(undefined);
    this.#waiting = undefined;
  }

  next(): Promise<Bytes | undefined> {
    this.#onFirstRead?.();
    this.#onFirstRead = undefined;
    return new Promise((resolve, reject) => {
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#onTaken(chunk.byteLength);
        resolve(chunk);
      } else if (!this.#end) this.#waiting = { resolve, reject };
      else if (this.#end.isError) reject(this.#end.thrown);
      else resolve(undefined);
    });
  }

  cancel(): void {
    this.#chunks = [];
    this.end();
    this.#onCancel();
  }
}

/** Sends the body's chunks as far as there is credit. */
class Outgoing {
  readonly #source: ByteSource;
  readonly #onError: (thrown: unknown) => void;
  #rest: Bytes | undefined;
  #isReading = false;
  #isOver = false;

  constructor(source: ByteSource, onError: (thrown: unknown) => void) {
    this.#source = source;
    this.#onError = onError;
  }

  pump(exchange: Exchange): void {
    if (this.#isReading || this.#isOver) return;
    while (this.#rest && exchange.credit() > 0) {
      const sent = exchange.send(this.#rest);
      if (sent === 0) return;
      this.#rest = sent < this.#rest.byteLength ? this.#rest.subarray(sent) : undefined;
    }
    if (this.#rest || exchange.credit() === 0) return;
    this.#isReading = true;
    this.#source.next().then(
      (chunk) => {
        this.#isReading = false;
        if (this.#isOver) return;
        if (chunk === undefined) {
          this.#isOver = true;
          exchange.endBody();
          return;
        }
        this.#rest = chunk.byteLength > 0 ? chunk : undefined;
        this.pump(exchange);
      },
      (thrown: unknown) => {
        this.#isReading = false;
        if (!this.#isOver) this.#onError(thrown);
      },
    );
  }

  stop(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#source.cancel(reason);
  }
}

/** Rejects with TypeError, or with the signal's reason. */
export function httpFetch(state: RequestState, signal: GuestAbortSignal): Promise<GuestResponse> {
  return new Promise((resolve, reject) => {
    const url = new GuestURL(state.url);
    const { hash } = url;
    url.hash = "";
    const outgoing = state.body
      ? new Outgoing(state.body.toSource(), (thrown) => stop(thrown, true))
      : undefined;
    const incoming = new Incoming(
      (bytes) => exchange.grant(bytes),
      () => stop(undefined, true),
    );
    const onAbort = () => stop(signal.reason, true);
    const stop = (thrown: unknown, isOurs: boolean) => {
      signals.removeStep(signal, onAbort);
      if (isOurs) exchange.cancel();
      outgoing?.stop(thrown);
      incoming.fail(thrown);
      reject(thrown);
    };
    let isAnswered = false;
    let exchange: Exchange;
    const early: (() => void)[] = [];
    const soon = (act: () => void) => {
      if (exchange) act();
      else early.push(act);
    };
    exchange = openExchange(
      {
        method: state.method,
        url: url.href,
        headers: requestHeaders(state),
        redirect: state.redirect,
        hasBody: outgoing !== undefined,
      },
      {
        onHead(head) {
          isAnswered = true;
          if (head.isDecoded) incoming.onFirstRead(() => exchange.beginReading());
          resolve(toResponse(head, state.method, hash, incoming));
        },
        onData: (bytes) => incoming.push(bytes),
        onEnd() {
          signals.removeStep(signal, onAbort);
          outgoing?.stop(undefined);
          incoming.end();
          reject(fetchFailed("no_response", "the answer ended before it began"));
        },
        onFailed: (code, message) => {
          if (code === "run_over" && (!isAnswered || incoming.isAwaited)) noteUnanswered();
          soon(() => stop(fetchFailed(code, message), false));
        },
        onCredit: () => soon(() => outgoing?.pump(exchange)),
      },
    );
    for (const act of early) act();
    signals.addStep(signal, onAbort);
  });
}

function requestHeaders({ headers, body }: RequestState): HeaderPair[] {
  const list = new HeaderList(headers.pairs);
  if (!list.has("accept")) list.append("accept", "*/*");
  if (body?.bytes) list.set("content-length", `${body.bytes.byteLength}`);
  return list.pairs;
}

function toResponse(head: ExchangeHead, method: string, hash: string, incoming: Incoming): GuestResponse {
  const { status, statusText, url, redirected } = head;
  const hasBody = method !== "HEAD" && !isNullBodyStatus(status);
  const body = hasBody ? Body.ofSource(incoming) : null;
  const seen = hash === "" || url.includes("#") ? url : url + hash;
  return networkResponse(
    { url: seen.replace(/#.*$/s, ""), redirected, status, statusText, body },
    new HeaderList(head.headers),
  );
}

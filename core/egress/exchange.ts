/**
 * One request and its response on a pool. Waiting (for a connection, then for the response) → settled, once, by the
 * end of the body, its cap, an error, the caller's signal or the connect timeout. A request that settled while it
 * waited for a connection is dropped when its turn comes.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { EgressError, signalAborted, toEgressError } from "./egress-error.ts";
import { joinHeaders } from "./headers.ts";
import type { Hop } from "./redirect.ts";

export interface ExchangeLimits {
  signal: AbortSignal;
  maxResponseBytes: number;
  connectTimeoutMs: number | undefined;
}

export interface Exchanged {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  truncated: boolean;
}

/** A failure that knows whether the response had begun. */
export interface ExchangeFailure {
  error: EgressError;
  responded: boolean;
}

/** Rejects with an ExchangeFailure. */
export function exchange(dispatcher: Dispatcher, hop: Hop, limits: ExchangeLimits): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const handler = new Exchange(hop.url.host, limits, resolve, reject);
    if (!handler.begin()) return;
    const { url, method, headers, body } = hop;
    dispatcher.dispatch({ path: url.pathname + url.search, method, headers, body }, handler);
  });
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #host: string;
  readonly #limits: ExchangeLimits;
  readonly #resolve: (exchanged: Exchanged) => void;
  readonly #reject: (failure: ExchangeFailure) => void;
  readonly #onAbort = () => this.#fail(signalAborted(this.#limits.signal, this.#host));
  #settled = false;
  #controller: Dispatcher.DispatchController | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  #status = 0;
  #headers: Record<string, string> = {};
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(
    host: string,
    limits: ExchangeLimits,
    resolve: (exchanged: Exchanged) => void,
    reject: (failure: ExchangeFailure) => void,
  ) {
    this.#host = host;
    this.#limits = limits;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** False when there is nothing left to dispatch. */
  begin(): boolean {
    const { signal, connectTimeoutMs } = this.#limits;
    if (signal.aborted) {
      this.#onAbort();
      return false;
    }
    signal.addEventListener("abort", this.#onAbort);
    if (connectTimeoutMs !== undefined) {
      const late = () =>
        this.#fail(new EgressError("connect_failed", `${this.#host} did not accept a connection in time.`));
      this.#connectTimer = setTimeout(late, connectTimeoutMs);
    }
    return true;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#connectTimer);
    this.#controller = controller;
    if (this.#settled) controller.abort(new Error("settled before it was sent"));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    // 100 and 103 only announce the response.
    if (status < 200) return;
    this.#status = status;
    this.#headers = joinHeaders(headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#limits.maxResponseBytes - this.#bytes;
    if (chunk.length <= room) {
      this.#chunks.push(chunk);
      this.#bytes += chunk.length;
      return;
    }
    if (room > 0) this.#chunks.push(chunk.subarray(0, room));
    // Reading on would let an endless body hold the connection; it is closed instead.
    this.#succeed(true);
  }

  onResponseEnd(): void {
    this.#succeed(false);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(toEgressError(error, this.#host));
  }

  #succeed(truncated: boolean): void {
    if (!this.#settle()) return;
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, body, truncated });
    if (truncated) this.#controller?.abort(new Error("the rest of the body is not wanted"));
  }

  #fail(error: EgressError): void {
    if (!this.#settle()) return;
    this.#reject({ error, responded: this.#status !== 0 });
    this.#controller?.abort(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#connectTimer);
    this.#limits.signal.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

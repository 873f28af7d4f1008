/** One request and its response on a pool, the response's body gathered up to its cap. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { type EgressError, unaskedUpgrade } from "./egress-error.ts";
import { joinHeaders } from "./headers.ts";
import { type ExchangeFailure, type ExchangeLimits, PendingExchange } from "./pending-exchange.ts";
import type { Hop } from "./redirect.ts";

export interface Exchanged {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
  truncated: boolean;
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

class Exchange extends PendingExchange implements Dispatcher.DispatchHandler {
  readonly #resolve: (exchanged: Exchanged) => void;
  readonly #reject: (failure: ExchangeFailure) => void;
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
    super(host, limits);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status === 101) {
      this.fail(unaskedUpgrade(this.host));
      return;
    }
    this.#status = status;
    this.#headers = joinHeaders(headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.limits.maxResponseBytes - this.#bytes;
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

  #succeed(truncated: boolean): void {
    if (!this.end()) return;
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, body, truncated });
    if (truncated) this.closeConnection(new Error("the rest of the body is not wanted"));
  }

  protected onFailed(error: EgressError): void {
    this.#reject({ error, responded: this.#status !== 0, reused: this.reused });
  }
}

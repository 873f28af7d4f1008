/**
 * One request and its response on a pool, of whose bodies no more is held than a buffer of each. Between start and end
 * the head is handed over, and the socket read as fast as the body is; it is over as well by the body's destruction.
 */
import type { IncomingHttpHeaders } from "node:http";
import { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { EgressError, unaskedUpgrade } from "./egress-error.ts";
import { type ExchangeFailure, type ExchangeLimits, PendingExchange } from "./pending-exchange.ts";
import type { Hop } from "./redirect.ts";
import { type RequestBody, readableOf } from "./request-body.ts";

const BUFFER_BYTES = 65_536;
const MAX_STATUS_TEXT_CHARS = 1_000;

export interface StreamedHead {
  status: number;
  statusText: string;
  headers: [name: string, value: string][];
  /** As sent: a content encoding is not undone. Destroying it before its end closes the connection. */
  body: Readable;
}

/** Rejects with an ExchangeFailure; the body fails with EgressError. The cap is on the body as sent. */
export function streamExchange(
  dispatcher: Dispatcher,
  hop: Hop<RequestBody>,
  limits: ExchangeLimits,
): Promise<StreamedHead> {
  return new Promise((resolve, reject) => {
    const { url, method, headers, body: given } = hop;
    const body = given === null || given instanceof Uint8Array ? given : readableOf(given);
    const upload = body instanceof Readable ? body : undefined;
    const handler = new StreamedExchange(url.host, limits, upload, resolve, reject);
    if (!handler.begin()) return;
    dispatcher.dispatch({ path: url.pathname + url.search, method, headers, body }, handler);
  });
}

class StreamedExchange extends PendingExchange implements Dispatcher.DispatchHandler {
  readonly #upload: Readable | undefined;
  readonly #resolve: (head: StreamedHead) => void;
  readonly #reject: (failure: ExchangeFailure) => void;
  #body: Readable | undefined;
  #receivedBytes = 0;

  constructor(
    host: string,
    limits: ExchangeLimits,
    upload: Readable | undefined,
    resolve: (head: StreamedHead) => void,
    reject: (failure: ExchangeFailure) => void,
  ) {
    super(host, limits);
    this.#upload = upload;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: IncomingHttpHeaders,
    statusMessage = "",
  ): void {
    if (status === 101) {
      this.fail(unaskedUpgrade(this.host));
      return;
    }
    this.#body = new Readable({
      highWaterMark: BUFFER_BYTES,
      read: () => controller.resume(),
      destroy: (error, done) => {
        this.fail(new EgressError("aborted", `The rest of ${this.host}'s answer was not wanted.`));
        done(error);
      },
    });
    // Nobody may be reading it yet; who does later is told all the same.
    this.#body.on("error", () => {});
    const statusText = statusMessage.slice(0, MAX_STATUS_TEXT_CHARS);
    this.#resolve({ status, statusText, headers: toPairs(controller.rawHeaders), body: this.#body });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes > this.limits.maxResponseBytes) {
      this.fail(responseTooLarge(this.host, this.limits.maxResponseBytes));
    } else if (!this.#body!.push(chunk)) {
      controller.pause();
    }
  }

  onResponseEnd(): void {
    if (this.end()) this.#body!.push(null);
  }

  protected onFailed(error: EgressError): void {
    if (this.#body) this.#body.destroy(error);
    else this.#reject({ error, responded: false, reused: this.reused });
  }

  protected override end(): boolean {
    const isFirst = super.end();
    if (isFirst) this.#upload?.destroy();
    return isFirst;
  }
}

export function responseTooLarge(host: string, maxResponseBytes: number): EgressError {
  return new EgressError(
    "response_too_large",
    `The answer of ${host} is larger than ${maxResponseBytes.toLocaleString("en")} bytes.`,
  );
}

/** undici hands over names and values in turn; their bytes are Latin-1 by convention. */
function toPairs(raw: Dispatcher.DispatchController["rawHeaders"]): [string, string][] {
  const parts = Array.isArray(raw) ? raw : [];
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < parts.length; i += 2) pairs.push([toText(parts[i]!), toText(parts[i + 1]!)]);
  return pairs;
}

function toText(part: Buffer | string): string {
  return typeof part === "string" ? part : part.toString("latin1");
}

/**
 * One fetch of a run.
 *
 * sending (a short body is gathered first) → answering (the head is out, the body follows against credit) → over, by
 * the end of the answer, a failure, the executor's cancel, or the end of the run. Only the first two say anything.
 */
import type { EgressStreamResponse } from "../../../../core/egress/stream.ts";
import { describeCallAnswer, startCallSpan } from "../../../../core/telemetry/http-spans.ts";
import { NO_SPAN, type Span } from "../../../../core/telemetry/tracing.ts";
import {
  FETCH_CHUNK_BYTES,
  FETCH_WINDOW_BYTES,
  type FetchAsk,
  type FetchReply,
  type FetchRequestHead,
  MAX_FETCH_HEADER_BYTES,
  MAX_FETCH_URL_CHARS,
} from "../../protocol/fetch-messages.ts";
import { decoderBytesOf } from "./decoder-bytes.ts";
import { type FetchFailure, FetchRefused, toFetchFailure } from "./fetch-failure.ts";
import { ProtocolError } from "./protocol-error.ts";
import { announcedBytes, requestHeaders } from "./request-headers.ts";
import { RequestUpload } from "./request-upload.ts";
import type { RunFetchesOptions } from "./run-fetches-options.ts";

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type Reply = DistributiveOmit<FetchReply, "id" | "no">;

export interface FetchCallContext extends RunFetchesOptions {
  no: number;
  /** The same for all fetches of a run. */
  run: object;
  /** Throws FetchRefused when the run has no request left. */
  countRequest(): void;
  /** Whether the executor takes messages now. */
  hasRoom(): boolean;
  /** Resolves when it may again. */
  room(): Promise<void>;
  onOver(): void;
}

const METHOD = /^[a-z-]{1,20}$/i;
/** A name and a port; no longer name can be looked up. */
const MAX_HOST_CHARS = 255;
const NEVER_SENT = new Set(["CONNECT", "TRACE", "TRACK"]);

export class FetchCall {
  readonly #context: FetchCallContext;
  readonly #head: FetchRequestHead;
  readonly #abort = new AbortController();
  readonly #upload: RequestUpload | undefined;
  /** Resolves when the guest reads the answer's body, or the fetch is over. */
  readonly #wanted = Promise.withResolvers<void>();
  readonly #span: Span;
  readonly #beganAt = performance.now();
  #status: number | undefined;
  #error: string | undefined;
  #isOver = false;
  #redirected = false;
  /** Bytes of the answer that may be sent. */
  #creditBytes = FETCH_WINDOW_BYTES;
  #wake = () => {};

  constructor(head: FetchRequestHead, context: FetchCallContext) {
    this.#head = head;
    this.#context = context;
    this.#span = startCallSpan(context.span ?? NO_SPAN, head.method, head.url, context.showHost);
    if (head.hasBody) {
      const grant = (bytes: number) => this.#sendNow({ t: "fetch-pull", bytes });
      this.#upload = new RequestUpload(grant, () => context.room());
    }
  }

  /** Ends by `onOver`; never rejects. */
  async run(): Promise<void> {
    try {
      await this.#answer(await this.#request());
    } catch (thrown) {
      const failure = this.#toFailure(thrown);
      if (!this.#isOver) this.#error = failure.code;
      this.#span.fail(this.#isOver ? "cancelled" : failure.code);
      await this.#send({ t: "fetch-failed", ...failure });
    } finally {
      this.#span.end();
      this.cancel();
    }
  }

  /** What it says of the author's own host is recorded where the function fails by it, or logs it. */
  #toFailure(thrown: unknown): FetchFailure {
    const { code, message } = toFetchFailure(thrown, this.#redirected);
    const hostname = URL.parse(this.#head.url)?.hostname;
    const shown = hostname && this.#context.showHost?.(hostname);
    return {
      code,
      message: shown && shown !== hostname ? message.replaceAll(hostname, () => shown) : message,
    };
  }

  /** Ends it without another word. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tell();
    this.#abort.abort();
    this.#upload?.close();
    this.#wanted.resolve();
    this.#wake();
    this.#context.onOver();
  }

  /** Of what was cut off before there was an answer, it says so. What no host could have been asked is not told of. */
  #tell(): void {
    const { onRequest, showHost = (host) => host } = this.#context;
    const { method, url } = this.#head;
    if (!onRequest || !METHOD.test(method) || url.length > MAX_FETCH_URL_CHARS || !URL.canParse(url)) return;
    const { host } = new URL(url);
    if (host.length > MAX_HOST_CHARS) return;
    const error = this.#error ?? (this.#status === undefined ? "cancelled" : undefined);
    onRequest({
      ...{ method, host: showHost(host), tookMs: performance.now() - this.#beganAt },
      ...(this.#status === undefined ? {} : { status: this.#status }),
      ...(error === undefined ? {} : { error }),
    });
  }

  /** Throws ProtocolError. */
  receive(ask: Exclude<FetchAsk, { t: "fetch" }>): void {
    switch (ask.t) {
      case "fetch-data":
        this.#expectUpload().push(Buffer.from(ask.base64, "base64"));
        break;
      case "fetch-body-end":
        this.#expectUpload().end();
        break;
      case "fetch-pull":
        this.#addCredit(ask.bytes);
        break;
      case "fetch-read":
        this.#wanted.resolve();
        break;
      case "fetch-cancel":
        this.cancel();
        break;
    }
  }

  #expectUpload(): RequestUpload {
    if (!this.#upload) throw new ProtocolError("a body for a request without one");
    return this.#upload;
  }

  #addCredit(bytes: number): void {
    this.#creditBytes += bytes;
    if (this.#creditBytes > FETCH_WINDOW_BYTES) throw new ProtocolError("more credit than a fetch has");
    this.#wake();
  }

  async #request(): Promise<EgressStreamResponse> {
    const { egress, tenant, traceparent, maxResponseBytes, run, memoryMb } = this.#context;
    refuseUnsendable(this.#head);
    this.#context.countRequest();
    const { method, url, redirect } = this.#head;
    return egress.stream({
      tenant,
      method,
      url,
      redirect,
      headers: requestHeaders(this.#head.headers, this.#span.traceparent ?? traceparent),
      ...(await this.#body()),
      signal: this.#abort.signal,
      maxResponseBytes,
      decoding: {
        holder: run,
        maxBytes: decoderBytesOf(memoryMb),
        wanted: () => this.#wanted.promise,
      },
      onRedirect: () => {
        this.#redirected = true;
        this.#context.countRequest();
      },
    });
  }

  /** A body that fits into the window is sent whole, so that a redirect or a stale connection can have it again. */
  async #body(): Promise<{ body?: Uint8Array | RequestUpload; bodyBytes?: number }> {
    if (!this.#upload) return {};
    const bodyBytes = announcedBytes(this.#head.headers);
    if (bodyBytes === undefined) return { body: this.#upload };
    if (bodyBytes > FETCH_WINDOW_BYTES) return { body: this.#upload, bodyBytes };
    const body = await this.#upload.whole(bodyBytes);
    if (body && body.length !== bodyBytes) {
      throw new FetchRefused(
        "invalid_request",
        "The request's body is not as long as its content-length says.",
      );
    }
    return body ? { body } : {};
  }

  async #answer({ body, ...head }: EgressStreamResponse): Promise<void> {
    this.#status = head.status;
    describeCallAnswer(this.#span, head.status);
    await this.#send({ t: "fetch-head", head });
    if (body) for await (const chunk of body) await this.#sendChunk(chunk);
    await this.#send({ t: "fetch-end" });
  }

  async #sendChunk(chunk: Uint8Array): Promise<void> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let from = 0; from < bytes.length && !this.#isOver; ) {
      // One wait, then both are asked again: between the answer and the chunk nothing else may have its turn.
      if (this.#creditBytes === 0) {
        await this.#credit();
        continue;
      }
      if (!this.#context.hasRoom()) {
        await this.#context.room();
        continue;
      }
      const count = Math.min(bytes.length - from, this.#creditBytes, FETCH_CHUNK_BYTES);
      this.#creditBytes -= count;
      this.#sendNow({ t: "fetch-data", base64: bytes.toString("base64", from, from + count) });
      from += count;
    }
  }

  async #credit(): Promise<void> {
    while (this.#creditBytes === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #send(reply: Reply): Promise<void> {
    while (!this.#isOver && !this.#context.hasRoom()) await this.#context.room();
    this.#sendNow(reply);
  }

  #sendNow(reply: Reply): void {
    if (this.#isOver) return;
    const { runId, no, send } = this.#context;
    send({ ...reply, id: runId, no } as FetchReply);
  }
}

/** What the guest's `fetch` would refuse as well. */
function refuseUnsendable({ method, url, headers, hasBody }: FetchRequestHead): void {
  const upper = method.toUpperCase();
  const headerBytes = headers.reduce((bytes, [name, value]) => bytes + name.length + value.length, 0);
  const why = NEVER_SENT.has(upper)
    ? `The method ${upper} is not sent.`
    : hasBody && (upper === "GET" || upper === "HEAD")
      ? `A ${upper} request has no body.`
      : url.length > MAX_FETCH_URL_CHARS
        ? `The URL is longer than ${MAX_FETCH_URL_CHARS} characters.`
        : headerBytes > MAX_FETCH_HEADER_BYTES
          ? `The headers are longer than ${MAX_FETCH_HEADER_BYTES} bytes.`
          : undefined;
  if (why !== undefined) throw new FetchRefused("invalid_request", why);
}

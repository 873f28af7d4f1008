/**
 * A request that waited in the queue, as a call of the sandbox: its body is fed against credit, its response gathered
 * into the run's result.
 */
import { isUtf8 } from "node:buffer";
import type { CallerStream } from "../../core/contracts/call-stream.ts";
import type { HttpRequestHead, HttpResponseHead, HttpResult } from "../../core/contracts/http-call.ts";
import { type AttemptOutcome, failed, succeeded } from "../../core/domain/attempt.ts";
import {
  isWholeRequest,
  type StoredRequest,
  type StoredRequestInput,
  type StoredResponse,
} from "../../core/domain/stored-request.ts";
import type { Json } from "../../core/json.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import type { HttpCall } from "../sandbox/invocation.ts";
import { CALL_WINDOW_BYTES } from "../sandbox/protocol/call-messages.ts";

/** The request of a run that came by HTTP and was queued; "gone" where only method and URL were kept. */
export function storedRequestOf({ spec, trigger }: ClaimedRun): StoredRequest | "gone" | undefined {
  if (spec.type !== "function" || (trigger !== "http" && trigger !== "hook")) return undefined;
  return isWholeRequest(spec.input) ? (spec.input as StoredRequestInput).request : "gone";
}

export interface StoredCall {
  http: HttpCall;
  /** The sandbox's outcome with the response as its result: a `StoredResponse`. */
  toOutcome(outcome: AttemptOutcome): AttemptOutcome;
}

/** A call whose request's body is fed from its row; what becomes of the response is the call's. */
export function withStoredBody(
  request: StoredRequest,
  toCall: (head: HttpRequestHead) => HttpCall,
): HttpCall {
  const { method, url, headers, body } = request;
  let rest = Buffer.from(body, "base64");
  let credit = CALL_WINDOW_BYTES;
  let feed: CallerStream;

  function feedBody(): void {
    if (rest.length === 0) return;
    const chunk = rest.subarray(0, credit);
    rest = rest.subarray(chunk.length);
    credit -= chunk.length;
    feed.data(chunk);
    if (rest.length === 0) feed.end();
  }

  const call = toCall({ method, url, headers, hasBody: rest.length > 0 });
  return {
    ...call,
    onOpen(opened) {
      feed = opened;
      call.onOpen(opened);
      feedBody();
    },
    onPull(granted) {
      credit += granted;
      feedBody();
    },
  };
}

/** A response's body of more than `maxBytes` ends as `result_too_large`. */
export function openStoredCall(request: StoredRequest, maxBytes: number): StoredCall {
  let feed: CallerStream;
  let head: HttpResponseHead | undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const http = withStoredBody(request, (requestHead) => ({
    head: requestHead,
    onOpen(opened) {
      feed = opened;
    },
    onHead(given) {
      head = given;
    },
    onData(chunk) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) feed.leave();
      else {
        chunks.push(Buffer.from(chunk));
        feed.pull(chunk.byteLength);
      }
    },
    onEnd() {},
    onPull() {},
  }));
  return {
    http,
    toOutcome(outcome) {
      if (outcome.kind !== "succeeded") return outcome;
      const result = outcome.result as unknown as HttpResult;
      const isWhole = "body" in result;
      const content = isWhole ? Buffer.from(result.body) : Buffer.concat(chunks);
      if (bytes > maxBytes || content.length > maxBytes) {
        const message = `The response takes more than ${maxBytes} bytes.`;
        return failed("result_too_large", message, { retryable: false });
      }
      const { headers = [], statusText } = isWhole ? result : (head ?? {});
      return succeeded({
        status: result.status,
        ...(statusText === undefined ? {} : { statusText }),
        headers,
        ...toText(content),
      } satisfies StoredResponse as Json);
    },
  };
}

/** U+0000 is UTF-8, and no text that can be recorded. */
function toText(content: Buffer): Pick<StoredResponse, "body" | "isBase64"> {
  const isBase64 = !isUtf8(content) || content.includes(0);
  return { body: content.toString(isBase64 ? "base64" : "utf8"), isBase64 };
}

/**
 * A run over HTTP: the author's function gets the request, and what it answers goes to the caller. A short text comes
 * whole, as the run's result; anything else streams, and the result says how much it was.
 */
import type { HttpFacts } from "../guest-start.ts";
import { endRun, type GuestRun } from "../run/current-run.ts";
import { stringify } from "../run/primordials.ts";
import { toResultJson } from "../run/result-json.ts";
import type { Body, ByteSource } from "../web/body.ts";
import { encodeUtf8 } from "../web/encoding.ts";
import type { HeaderPair } from "../web/headers.ts";
import { Incoming } from "../web/http-fetch.ts";
import { type GuestRequest, incomingRequest } from "../web/request.ts";
import { isNullBodyStatus, isResponse, responsePartsOf } from "../web/response.ts";
import {
  grantRequest,
  isCallLeft,
  isResponseCancelled,
  openCall,
  type ResponseHead,
} from "./call-channel.ts";
import { BadRequest, readRequestInput } from "./request-input.ts";
import { type ResponseListener, streamResponse } from "./response-stream.ts";

/** Of one response's text, in characters; longer ones stream. */
const SHORT_CHARS = 65_536;
/** Names and values of all headers together. */
const MAX_HEADER_CHARS = 65_536;

interface FetchContext {
  env: unknown;
  passThroughOnException?: () => void;
  props?: object;
}

interface Answer extends ResponseHead {
  /** Null: none. */
  body: string | ByteSource | null;
  /** Of a source, where it is known. */
  length?: number | undefined;
}

const JSON_TYPE: readonly HeaderPair[] = [["content-type", "application/json"]];
const PROBLEM_TYPE: readonly HeaderPair[] = [["content-type", "application/problem+json"]];

/** Resolves with the JSON of the run's result; undefined where the run has ended otherwise. Rejects with what was thrown. */
export async function serveRequest(
  run: GuestRun,
  target: unknown,
  facts: HttpFacts,
  context: FetchContext,
  background: readonly Promise<unknown>[],
): Promise<string | undefined> {
  const call = beginCall(run, facts);
  const answer = await answerRequest(run, target, call.request, facts, context);
  if (run.ended || answer === undefined) return undefined;
  const { status, statusText, body } = answer;
  let { headers } = answer;
  const isShort = body === null || (typeof body === "string" && body.length <= SHORT_CHARS);
  if (isShort && background.length === 0) {
    return stringify({ __proto__: null, status, statusText, headers, body: body ?? "" });
  }
  const bytes = typeof body === "string" ? encodeUtf8(body) : undefined;
  const source = bytes ? oneChunk(bytes) : (body as ByteSource | null);
  if (body !== null) headers = withLength(headers, bytes?.byteLength ?? answer.length);
  const bodyBytes = await streamResponse({ status, statusText, headers }, source, call);
  for (let i = 0; i < background.length; i++) await background[i];
  if (isResponseCancelled()) {
    endRun(run, "cancelled", "");
    return undefined;
  }
  return stringify({ __proto__: null, status, bodyBytes });
}

interface ServedCall extends ResponseListener {
  request: GuestRequest;
}

function beginCall(run: GuestRun, facts: HttpFacts): ServedCall {
  const incoming = facts.hasBody ? new Incoming(grantRequest, () => {}) : undefined;
  const { request, abort } = incomingRequest(facts, incoming);
  const call: ServedCall = { request, onCredit() {}, onLeave() {} };
  openCall(run.no, {
    onData: (bytes) => incoming?.push(bytes),
    onEnd: () => incoming?.end(),
    onCredit: () => call.onCredit(),
    onLeave(why) {
      incoming?.fail(new TypeError(why));
      call.onLeave(why);
      abort();
    },
  });
  return call;
}

/** Undefined where the run was ended for what the author exports or answers. */
async function answerRequest(
  run: GuestRun,
  target: unknown,
  request: GuestRequest,
  { method, hasBody, body }: HttpFacts,
  context: FetchContext,
): Promise<Answer | undefined> {
  const { fetch: serve } = (target ?? {}) as { fetch?: unknown };
  if (typeof serve === "function") {
    context.passThroughOnException = () => {};
    context.props = {};
    const response: unknown = await serve.call(target, request, context.env, context);
    if (!isResponse(response)) throw new TypeError("fetch() must answer a Response");
    return toAnswer(response, method);
  }
  if (typeof target !== "function") {
    const message =
      "The default export, or module.exports, must be a function (input, ctx) or an object with fetch(request, env, ctx) to be called over HTTP.";
    endRun(run, "unsupported_shape", message);
    return undefined;
  }
  let input: unknown;
  try {
    input = await readRequestInput(request, hasBody || body !== undefined);
  } catch (thrown) {
    if (!(thrown instanceof BadRequest)) throw thrown;
    return { status: 400, headers: PROBLEM_TYPE, body: badRequestProblem(thrown.message) };
  }
  const value: unknown = await target(input, context);
  if (isResponse(value)) return toAnswer(value, method);
  const json = toResultJson(run, value);
  return json === undefined ? undefined : { status: 200, headers: JSON_TYPE, body: json };
}

function badRequestProblem(detail: string): string {
  return stringify({
    __proto__: null,
    type: "about:blank",
    title: "Bad Request",
    status: 400,
    detail,
    code: "bad_request",
  });
}

function toAnswer(response: Parameters<typeof responsePartsOf>[0], method: string): Answer {
  const { type, status, headers, body, ...parts } = responsePartsOf(response);
  if (type === "error") throw new TypeError("fetch() answered Response.error()");
  if (body?.isUnusable) throw new TypeError("The response's body was already read");
  const statusText = parts.statusText === "" ? undefined : parts.statusText;
  let chars = parts.statusText.length;
  for (const [name, value] of headers) chars += name.length + value.length;
  if (chars > MAX_HEADER_CHARS) {
    throw new TypeError(`The response's headers hold more than ${MAX_HEADER_CHARS} characters`);
  }
  const isHead = method === "HEAD";
  if (body === null) {
    return { status, statusText, headers: isHead ? headers : withLength(headers, undefined), body };
  }
  if (isHead || isNullBodyStatus(status) || isCallLeft()) {
    const said = withLength(headers, isHead ? body.length : undefined);
    body.cancel(undefined);
    return { status, statusText, headers: said, body: null };
  }
  const length = body.text === undefined ? body.length : undefined;
  return { status, statusText, headers, body: toContent(body), length };
}

/** What its author says of a length holds for the answer to a HEAD that has no body, and for nothing else. */
function withLength(headers: readonly HeaderPair[], length: number | undefined): readonly HeaderPair[] {
  const others = headers.filter(([name]) => name.toLowerCase() !== "content-length");
  return length === undefined ? others : [...others, ["content-length", `${length}`]];
}

function toContent(body: Body): string | ByteSource {
  if (body.text !== undefined) return body.text;
  return body.bytes ? oneChunk(body.bytes) : body.toSource();
}

function oneChunk(bytes: Uint8Array<ArrayBuffer>): ByteSource {
  let rest: typeof bytes | undefined = bytes;
  return {
    async next() {
      const chunk = rest;
      rest = undefined;
      return chunk;
    },
    cancel() {
      rest = undefined;
    },
  };
}

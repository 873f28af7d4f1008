/** `/fn/{namespace}/{name}[@tag]/…`: a function's own URL. Each call is a run. */
import { isUtf8 } from "node:buffer";
import type { Context, MiddlewareHandler } from "hono";
import type { HttpRequestHead, HttpResponseHead } from "../../core/contracts/http-call.ts";
import type { StoredRequestInput, StoredResponse } from "../../core/domain/stored-request.ts";
import { BellhopError, notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import { newId } from "../../core/store/ids.ts";
import { demandScope, readBearer, requireOwner } from "../auth.ts";
import { type Caller, callerOf } from "../caller.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { type CallEnd, toInvocationError } from "../functions/call-end.ts";
import { type FunctionCall, invokeQueued, toDirectCall } from "../functions/invoke.ts";
import { readTrafficKey } from "../functions/traffic-key.ts";
import { answerProblem } from "../problem.ts";
import { traceparentOf } from "../trace-requests.ts";
import { answerDirectly } from "./direct-answer.ts";
import { type FnTarget, parseFnUrl, toRequestHead } from "./request.ts";
import { toFnResponse } from "./response.ts";

const SHORT_BODY_BYTES = 65_536;
/** A request that waits in the queue is a row: its body is bounded. */
const MAX_QUEUED_BODY_BYTES = 1_000_000;

export function fnHandler(parts: ApiParts): MiddlewareHandler<ApiEnv> {
  return async (context) => {
    const url = new URL(context.req.url);
    const target = parseFnUrl(url);
    const fn = target && (await parts.callables.find(target.namespace, target.name));
    if (!target || !fn) throw notFound("function", target?.name ?? url.pathname);
    const showsAuthorization = await checkKey(parts, context, target, fn);
    if (target.tag !== undefined && !Object.hasOwn(fn.tags, target.tag)) throw noSuchTag(target);

    const head = toRequestHead(context.req.raw, url.origin + target.rest, showsAuthorization);
    const call: FunctionCall = {
      runId: newId(),
      fn,
      trigger: "http",
      input: { request: { method: head.method, url: head.url } },
      target: target.tag === undefined ? undefined : { tag: target.tag },
      trafficKey: readTrafficKey(context),
      traceparent: traceparentOf(context),
    };
    return await answer(parts, context, call, head);
  };
}

function noSuchTag({ name, tag }: FnTarget): BellhopError {
  return new BellhopError("not_found", 404, `The function ${name} has no tag ${JSON.stringify(tag)}.`);
}

/**
 * 401, 403 or 404 unless the caller may call the function. Answers whether the function may see the Authorization header:
 * it holds no key of the platform's.
 */
async function checkKey(
  { keyring }: ApiParts,
  context: Context,
  { namespace, name }: FnTarget,
  fn: CallableFunction,
): Promise<boolean> {
  if (fn.isPublic) return true;
  const ownHeader = context.req.header("bellhop-key");
  const key = ownHeader ?? readBearer(context.req.header("authorization"));
  const owner = await requireOwner(keyring, key);
  if (owner.namespaceId !== fn.namespaceId) throw notFound("function", `${namespace}/${name}`);
  demandScope(owner, "invoke");
  return ownHeader !== undefined;
}

async function answer(
  parts: ApiParts,
  context: Context<ApiEnv>,
  call: FunctionCall,
  head: HttpRequestHead,
): Promise<Response> {
  const { runId, fn } = call;
  const { raw } = context.req;
  const caller = callerOf(context, parts);
  const direct = toDirectCall(call);
  const { sent, body } = await takeBody(raw, head);
  const said = direct
    ? await answerDirectly(parts.direct, { ...direct, http: sent }, body, caller)
    : ("none" as const);
  if (said !== "none" && "head" in said) return toFnResponse(said.head, said.body, runId);
  const end = said === "none" ? await answerQueued(parts, call, sent, body, caller) : said.outcome;
  if (end?.state === "succeeded") return toWholeResponse(end.result, runId);
  context.header("bellhop-run-id", runId);
  return answerProblem(context, fn.isPublic ? hideDetails(toInvocationError(end)) : toInvocationError(end));
}

/** A short body of text travels with the call; any other is streamed. */
async function takeBody(
  request: Request,
  head: HttpRequestHead,
): Promise<{ sent: HttpRequestHead; body: ReadableStream<Uint8Array> | null }> {
  if (!head.hasBody) return { sent: head, body: null };
  const announced = Number(request.headers.get("content-length") ?? Number.NaN);
  if (!(announced <= SHORT_BODY_BYTES)) return { sent: head, body: request.body };
  const bytes = Buffer.from(await request.arrayBuffer());
  if (isUtf8(bytes)) return { sent: { ...head, hasBody: false, body: bytes.toString() }, body: null };
  return { sent: head, body: new Blob([bytes]).stream() };
}

async function answerQueued(
  parts: ApiParts,
  call: FunctionCall,
  { method, url, headers, body: text = "" }: HttpRequestHead,
  body: ReadableStream<Uint8Array> | null,
  caller: Caller,
): Promise<CallEnd> {
  const content = body ? await readWhole(body) : Buffer.from(text);
  const input: StoredRequestInput = { request: { method, url, headers, body: content.toString("base64") } };
  return (await invokeQueued(parts, { ...call, input: input as unknown as Json }, caller)).end;
}

async function readWhole(body: ReadableStream<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > MAX_QUEUED_BODY_BYTES) {
      throw new BellhopError(
        "body_too_large",
        413,
        `No worker is ready, and a request that waits for one holds at most ${MAX_QUEUED_BODY_BYTES} bytes.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Of a short response, or of one that waited in the queue. */
function toWholeResponse(result: Json, runId: string): Response {
  const { body, isBase64 = false, ...head } = result as unknown as HttpResponseHead & Partial<StoredResponse>;
  const content = isBase64 ? Uint8Array.from(Buffer.from(body ?? "", "base64")) : (body ?? "");
  return toFnResponse({ status: head.status, headers: head.headers ?? [] }, content, runId);
}

/** What a function throws is for its author, not for the public. */
function hideDetails(error: BellhopError): BellhopError {
  if (error.status !== 500) return error;
  return new BellhopError(
    error.code,
    error.status,
    "The function failed; its author finds the error under Bellhop-Run-Id.",
  );
}

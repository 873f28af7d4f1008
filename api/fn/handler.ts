/** `/fn/{namespace}/{name}[@tag]/…`: a function's own URL. Each call is a run. */
import type { Context } from "hono";
import type { DirectCall } from "../../core/contracts/direct-call.ts";
import type { HttpRequestHead, HttpResponseHead } from "../../core/contracts/http-call.ts";
import type { StoredResponse } from "../../core/domain/stored-request.ts";
import { BellhopError, notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { newId } from "../../core/store/ids.ts";
import type { ReceivedRequest } from "../bodies/receive-body.ts";
import { type CallEnd, toInvocationError } from "../calls/call-end.ts";
import { callerOf } from "../calls/caller.ts";
import { countCall, type FunctionCall, isOfLimitedQueue, toDirectCall } from "../calls/invoke.ts";
import { readTrafficKey } from "../calls/traffic-key.ts";
import type { NoneReason } from "../direct/direct-caller.ts";
import { type ApiEnv, type ApiParts, outgoingOf, ownIncomingOf } from "../environment.ts";
import { clientAddressOf } from "../http/client-address.ts";
import { hideLimit } from "../http/hide-limit.ts";
import { answerProblem } from "../http/problem.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { answerQueued } from "./answer-queued.ts";
import { type CallBody, receiveCallBody } from "./call-body.ts";
import { answerDirectly, type DirectAnswer } from "./direct-answer.ts";
import { findForCaller } from "./find-for-caller.ts";
import { apiStopping, functionBusy } from "./refusals.ts";
import { parseFnUrl, toRequestHead } from "./request.ts";
import { lengthOf, toFnResponse } from "./response.ts";

export async function answerFnCall(parts: ApiParts, context: Context<ApiEnv>): Promise<Response> {
  const url = new URL(context.req.url);
  const { fn, target, showsAuthorization } = await findForCaller(parts, context, parseFnUrl(url));
  const head = toRequestHead(
    receivedOf(context),
    url.origin + target.rest,
    clientAddressOf(context, parts),
    showsAuthorization,
  );
  const call: FunctionCall = {
    runId: newId(),
    fn,
    trigger: "http",
    input: { request: { method: head.method, url: head.url } },
    target: target.tag === undefined ? undefined : { tag: target.tag },
    trafficKey: readTrafficKey(context),
    traceparent: traceparentOf(context),
  };
  // A body may take its time, and so may a worker: who calls may not call any more by then.
  const findAgain = async () => {
    const found = await findForCaller(parts, context, target);
    if (found.fn.id !== fn.id) throw notFound("function", fn.name);
    call.fn = found.fn;
  };
  return await answer(parts, context, call, head, findAgain);
}

async function answer(
  parts: ApiParts,
  context: Context<ApiEnv>,
  call: FunctionCall,
  head: HttpRequestHead,
  findAgain: () => Promise<void>,
): Promise<Response> {
  const { runId, fn } = call;
  const claimant = { namespaceId: fn.namespaceId, functionId: fn.id };
  const { body, wasAwaited } = await receiveCallBody(parts.edge, claimant, receivedOf(context), head);
  try {
    if (wasAwaited) await findAgain();
    await countCall(parts, call);
    let said = await askWorkers(parts, context, call, body, findAgain);
    if ("none" in said) said = await askQueue(parts, context, call, body, said.none, findAgain);
    if ("head" in said) {
      sayStatusText(context, said.head);
      return toFnResponse(said.head, said.body, runId);
    }
    const end = toEnd(context, said, runId);
    if (end?.state === "succeeded") {
      sayStatusText(context, end.result as unknown as HttpResponseHead);
      return toWholeResponse(end.result, runId, head.method === "HEAD");
    }
    context.header("bellhop-run-id", runId);
    const error = toInvocationError(end, runId);
    return answerProblem(context, call.fn.isPublic ? hideDetails(error) : error);
  } catch (error) {
    // A limit may come while the call waits: it is counted then where it is queued.
    throw call.fn.isPublic ? hideLimit(error, "function") : error;
  } finally {
    body.held.release();
  }
}

function receivedOf(context: Context<ApiEnv>): ReceivedRequest {
  return { request: context.req.raw, incoming: ownIncomingOf(context) };
}

function askWorkers(
  parts: ApiParts,
  context: Context<ApiEnv>,
  call: FunctionCall,
  body: CallBody,
  findAgain: () => Promise<void>,
): Promise<DirectAnswer> {
  const direct = toWorkerCall(call, body);
  if (typeof direct === "string") return Promise.resolve({ none: direct });
  const asking = {
    ...{ direct: parts.direct, edge: parts.edge, caller: callerOf(context, parts) },
    renew: () =>
      findAgain().then(
        () => toWorkerCall(call, body),
        (error: unknown) => (isRefusal(error) ? ("refused" as const) : ("later" as const)),
      ),
    mostAtOnce: () => call.fn.limits.concurrency,
    breakOff: breakOffOf(parts, context, call.runId),
  };
  return answerDirectly(asking, direct, body);
}

/** The server writes it with the head; it does not read the Response's own. */
function sayStatusText(context: Context<ApiEnv>, { statusText }: HttpResponseHead): void {
  const outgoing = outgoingOf(context);
  if (outgoing && statusText !== undefined) outgoing.statusMessage = statusText;
}

/** Ends a response whose head is out; undefined where there is no connection. */
function breakOffOf(
  { log }: ApiParts,
  context: Context<ApiEnv>,
  runId: string,
): ((error: Error) => void) | undefined {
  const outgoing = outgoingOf(context);
  return (
    outgoing &&
    (({ message }) => {
      log.info({ runId, reason: message }, "a response broke off");
      outgoing.destroy();
    })
  );
}

/** The function is not there any more, or not for this caller. */
function isRefusal(error: unknown): boolean {
  return error instanceof BellhopError && error.status < 500;
}

/** As a worker is given it, by what is known of its function now. */
function toWorkerCall(call: FunctionCall, body: CallBody): DirectCall | NoneReason {
  const direct = toDirectCall(call);
  if (!direct || isOfLimitedQueue(call)) return "queue_only";
  return { ...direct, http: body.sent, isPublic: call.fn.isPublic };
}

/** The call that no worker took. */
async function askQueue(
  parts: ApiParts,
  context: Context<ApiEnv>,
  call: FunctionCall,
  body: CallBody,
  why: NoneReason,
  findAgain: () => Promise<void>,
): Promise<DirectAnswer> {
  // Nobody hears it, or the API stops: there is no run that could go on.
  if (why === "left") throw apiStopping();
  await findAgain();
  if (call.fn.isPublic && why === "busy") throw functionBusy();
  const asking = {
    caller: callerOf(context, parts),
    breakOff: breakOffOf(parts, context, call.runId),
  };
  return await answerQueued(parts, call, body, asking);
}

/** How the call ended that streamed nothing. */
function toEnd(
  context: Context<ApiEnv>,
  said: Exclude<DirectAnswer, { head: unknown }>,
  runId: string,
): CallEnd {
  if ("outcome" in said) return said.outcome;
  if ("none" in said) return undefined;
  context.header("bellhop-run-id", runId);
  said.broken.runId = runId;
  throw said.broken;
}

/** Of a short response, or of one that waited in the queue. */
function toWholeResponse(result: Json, runId: string, isHead: boolean): Response {
  const { body, isBase64 = false, ...said } = result as unknown as HttpResponseHead & Partial<StoredResponse>;
  const head = { ...said, headers: said.headers ?? [] };
  if (isHead && lengthOf(head) !== undefined) return toFnResponse(head, null, runId);
  const content = isBase64 ? Uint8Array.from(Buffer.from(body ?? "", "base64")) : (body ?? "");
  return toFnResponse(head, content, runId);
}

/** What a function throws is for its author, not for the public. */
function hideDetails(error: BellhopError): BellhopError {
  if (error.status !== 500) return error;
  const message = "The function failed; its author can find the error under the run's id.";
  const hidden = new BellhopError(error.code, error.status, message);
  hidden.runId = error.runId;
  return hidden;
}

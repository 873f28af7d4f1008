/** `POST /hooks/{token}`: the token is the key. It stands in no log, no metric and no error. */
import type { Context } from "hono";
import { z } from "zod";
import { PROBLEM_CODES } from "../../core/contracts/problem.ts";
import { startedRunOutput } from "../../core/contracts/run.ts";
import { callDurations } from "../../core/domain/call-durations.ts";
import type { StoredRequest, StoredRequestInput } from "../../core/domain/stored-request.ts";
import { BellhopError } from "../../core/errors.ts";
import { findHook, type HookTarget } from "../../core/store/functions/hooks.ts";
import { type IdempotentRequest, makeOnce } from "../../core/store/idempotency.ts";
import { newId } from "../../core/store/ids.ts";
import { enqueueInvocation } from "../../core/store/runs/enqueue.ts";
import { demandRequest } from "../auth/limit-requests.ts";
import { type HeldBytes, holdBytes, receiveBody } from "../bodies/receive-body.ts";
import { toStoredRequest } from "../calls/stored-request.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";
import { clientAddressOf } from "../http/client-address.ts";
import { markReplay, readIdempotencyKey } from "../http/idempotency.ts";
import { ANY_TYPE, defineRoute, type Feature } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { functionHookRoutes } from "./function-hook-routes.ts";
import { openVerification, toIdempotent } from "./verify-delivery.ts";

export const MAX_HOOK_BODY_BYTES = 1_000_000;

/** The second one is that of Standard Webhooks. */
const KEY_HEADERS = ["idempotency-key", "webhook-id"];

export const unknownHook = () => new BellhopError("hook_not_found", 404, PROBLEM_CODES.hook_not_found);

const bodyTooLarge = () =>
  new BellhopError("body_too_large", 413, `A hook takes at most ${MAX_HOOK_BODY_BYTES} bytes.`);

const triggerHook = defineRoute({
  method: "POST",
  path: "/hooks/:token",
  operationId: "triggerHook",
  summary: "Trigger a function from outside",
  description: "The token is the key. The function gets the request as it came, as its input.",
  access: null,
  params: {
    token: z.string().meta({ description: "The hook's token.", examples: [`bhk_${"x".repeat(43)}`] }),
  },
  takesAnyQuery: true,
  headers: {
    "webhook-id": z.string().meta({ description: "Taken for `Idempotency-Key` where that is not there." }),
  },
  idempotency: {
    by: "handler",
    why: "Its key is the hook's, in whatever header the sender has; the answer is the run's id, which is found again.",
  },
  ownBody: { content: { [ANY_TYPE]: z.string() }, isOptional: true },
  answers: {
    202: { is: "The call is queued.", schema: startedRunOutput, headers: ["bellhop-run-id"] },
  },
  errors: {
    400: ["bad_request"],
    401: ["invalid_signature"],
    404: ["hook_not_found"],
    408: ["request_body_too_slow"],
    413: ["body_too_large"],
    429: ["rate_limited"],
    431: ["headers_too_large"],
    503: ["too_many_bodies", "secrets_unavailable"],
  },
  async handle({ parts, context, params: { token } }) {
    const hook = await findHook(parts.store, token);
    if (!hook) throw unknownHook();
    const held = holdBytes(parts.edge, { namespaceId: hook.namespaceId, functionId: hook.hookId });
    const { runId, isReplay } = await receiveAndEnqueue(parts, context, hook, held).finally(held.release);
    if (isReplay) markReplay(context);
    return { status: 202, body: { runId }, headers: { "bellhop-run-id": runId } };
  },
});

export const hookFeature: Feature = {
  tag: "Hooks",
  description: "Tokens that trigger a function from outside.",
  routes: [...functionHookRoutes, triggerHook],
};

async function receiveAndEnqueue(
  parts: ApiParts,
  context: Context<ApiEnv>,
  hook: HookTarget,
  held: HeldBytes,
): Promise<Enqueued> {
  const verifyBody = await openVerification(parts, context, hook);
  const { request, body } = await receive(parts, context, held);
  const delivery = verifyBody?.(body);
  const once = delivery ? delivery.once : readOnce(context, hook, request);
  demandRate(parts, context, hook);
  return await enqueue(parts, hook, { request }, once, traceparentOf(context));
}

/** The count holds until its run is recorded: a database that stands still would gather bodies. */
async function receive(
  parts: ApiParts,
  context: Context<ApiEnv>,
  held: HeldBytes,
): Promise<{ request: StoredRequest; body: Buffer }> {
  const received = { request: context.req.raw, incoming: incomingOf(context) };
  const body = await receiveBody(parts.edge, received, held, MAX_HOOK_BODY_BYTES, bodyTooLarge);
  held.reach(body.byteLength);
  const url = urlOf(context.req.url);
  return { request: toStoredRequest(url, context.req.raw, clientAddressOf(context, parts), body), body };
}

/** Counted once it is known who calls: who cannot sign uses up nobody's calls. */
function demandRate({ requestRates }: ApiParts, context: Context, { hookId, rate }: HookTarget): void {
  if (rate)
    demandRequest(
      context,
      { name: "calls", by: "the hook gets" },
      requestRates.take(`hooks/${hookId}`, rate),
      rate,
    );
}

interface Enqueued {
  runId: string;
  isReplay: boolean;
}

async function enqueue(
  { store, ringer, functionCaps }: ApiParts,
  { namespaceId, functionName, tag, maxAttempts, place, limits }: HookTarget,
  input: StoredRequestInput,
  once: IdempotentRequest | undefined,
  traceparent: string | undefined,
): Promise<Enqueued> {
  const runId = newId();
  const { id, made } = await makeOnce(store, once, runId, async (scope) => {
    const run = await enqueueInvocation(scope, {
      ...{ runId, namespaceId, functionName, input, trigger: "hook", awaited: false },
      ...{ traceparent, maxAttempts, place },
      timeoutMs: callDurations(limits, functionCaps).attemptMs,
      target: tag === null ? undefined : { tag },
    });
    // Removed this very moment.
    if (!run) throw unknownHook();
    return run;
  });
  if (made) ringer.ring([made]);
  return { runId: id, isReplay: made === undefined };
}

/** By a header that nobody has signed: with the same key comes the same. */
function readOnce(context: Context, hook: HookTarget, request: StoredRequest): IdempotentRequest | undefined {
  const key = readIdempotencyKey(context, KEY_HEADERS);
  const { search } = new URL(request.url);
  return key === undefined ? undefined : toIdempotent(hook, key, [search, request.body]);
}

/** Where it was called, without the token. */
function urlOf(text: string): string {
  const url = new URL(text);
  url.pathname = "/";
  return url.href;
}

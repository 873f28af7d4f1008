/** `POST /hooks/{token}`: the token is the key. It stands in no log, no metric and no error. */
import type { Context } from "hono";
import { z } from "zod";
import { startedRunOutput } from "../../core/contracts/run.ts";
import { BellhopError } from "../../core/errors.ts";
import { findHook, type HookTarget } from "../../core/store/functions/hooks.ts";
import type { IdempotentRequest } from "../../core/store/idempotency.ts";
import { demandRequest } from "../auth/limit-requests.ts";
import { type HeldBytes, holdBytes, receiveBody } from "../bodies/receive-body.ts";
import { toStoredRequest } from "../calls/stored-request.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";
import { clientAddressOf } from "../http/client-address.ts";
import { hideLimit } from "../http/hide-limit.ts";
import { markReplay, readIdempotencyKey } from "../http/idempotency.ts";
import { hideRateLimits } from "../http/rate-limits.ts";
import { ANY_TYPE, defineRoute, type Feature } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { callHookedFunction, type Enqueued } from "./call-hooked-function.ts";
import { functionHookRoutes } from "./function-hook-routes.ts";
import { runHookedTask } from "./run-hooked-task.ts";
import { taskHookRoutes } from "./task-hook-routes.ts";
import { unknownHook } from "./unknown-hook.ts";
import { openVerification, toIdempotent } from "./verify-delivery.ts";

export const MAX_HOOK_BODY_BYTES = 1_000_000;

/** The second one is that of Standard Webhooks. */
const KEY_HEADERS = ["idempotency-key", "webhook-id"];

const bodyTooLarge = () =>
  new BellhopError("body_too_large", 413, `A hook accepts at most ${MAX_HOOK_BODY_BYTES} bytes.`);

const triggerHook = defineRoute({
  method: "POST",
  path: "/hooks/:token",
  operationId: "triggerHook",
  summary: "Trigger a function or a task from outside",
  description:
    "The token is the key. A function gets the request unchanged as its input; a run of a task gets the body instead of the task's own.",
  access: null,
  params: {
    token: z.string().meta({ description: "The hook's token.", examples: [`bhk_${"x".repeat(43)}`] }),
  },
  takesAnyQuery: true,
  headers: {
    "webhook-id": z.string().meta({
      description:
        "Used if there is no `Idempotency-Key`. A hook that verifies uses its scheme's delivery instead of both.",
    }),
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
    400: ["bad_request", "invalid_json"],
    401: ["invalid_signature"],
    404: ["hook_not_found"],
    408: ["request_body_too_slow"],
    409: ["task_cancelled"],
    413: ["body_too_large"],
    422: ["invalid_input", "unknown_queue"],
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
  description: "Tokens that trigger a function or a task from outside.",
  routes: [...functionHookRoutes, ...taskHookRoutes, triggerHook],
};

async function receiveAndEnqueue(
  parts: ApiParts,
  context: Context<ApiEnv>,
  hook: HookTarget,
  held: HeldBytes,
): Promise<Enqueued> {
  const verifyBody = await openVerification(parts, context, hook);
  const body = await receive(parts, context, held);
  const delivery = verifyBody?.(body);
  const count = countOnce(
    () => demandRate(parts, context, hook),
    () => giveRateBack(parts, context, hook),
  );
  const call = {
    once: delivery ? delivery.once : readOnce(context, hook, body),
    admit: count.admit,
    traceparent: traceparentOf(context),
  };
  try {
    if (hook.taskId !== null) {
      const content = { type: context.req.header("content-type"), body };
      return await runHookedTask(parts, hook, content, call);
    }
    const client = clientAddressOf(context, parts);
    const request = toStoredRequest(urlOf(context.req.url), context.req.raw, client, body);
    return await callHookedFunction(parts, hook, { request }, call);
  } catch (error) {
    if (!count.isCounted() || !isRateLimited(error)) throw error;
    count.takeBack();
    throw hideLimit(error, "hook");
  }
}

/** The count holds until its run is recorded: a database that stands still would gather bodies. */
async function receive(parts: ApiParts, context: Context<ApiEnv>, held: HeldBytes): Promise<Buffer> {
  const received = { request: context.req.raw, incoming: incomingOf(context) };
  const body = await receiveBody(parts.edge, received, held, MAX_HOOK_BODY_BYTES, bodyTooLarge);
  held.reach(body.byteLength);
  return body;
}

/** By a header that nobody has signed: with the same key comes the same. */
function readOnce(context: Context, hook: HookTarget, body: Buffer): IdempotentRequest | undefined {
  const key = readIdempotencyKey(context, KEY_HEADERS);
  const { search } = new URL(context.req.url);
  return key === undefined ? undefined : toIdempotent(hook, key, [search, body.toString("base64")]);
}

const isRateLimited = (error: unknown) => error instanceof BellhopError && error.code === "rate_limited";

/** A transaction that met a deadlock is done once more; it is the same call. */
function countOnce(count: () => void, giveBack: () => void) {
  let isCounted = false;
  return {
    isCounted: () => isCounted,
    admit() {
      if (isCounted) return;
      count();
      isCounted = true;
    },
    takeBack() {
      if (isCounted) giveBack();
      isCounted = false;
    },
  };
}

/** Counted before a run is made: neither who cannot sign nor who sends again uses up anybody's calls. */
function demandRate({ requestRates }: ApiParts, context: Context, { hookId, rate }: HookTarget): void {
  if (!rate) return;
  const taken = requestRates.take(`hooks/${hookId}`, rate);
  demandRequest(context, { name: "calls", by: "the hook gets" }, taken, rate);
}

/** Such as where the namespace may begin no run any more. */
function giveRateBack({ requestRates }: ApiParts, context: Context, { hookId, rate }: HookTarget): void {
  if (!rate) return;
  requestRates.giveBack(`hooks/${hookId}`, rate);
  hideRateLimits(context);
}

/** Where it was called, without the token. */
function urlOf(text: string): string {
  const url = new URL(text);
  url.pathname = "/";
  return url.href;
}

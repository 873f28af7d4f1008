/** `POST /hooks/{token}`: the token is the key. It stands in no log, no metric and no error. */
import { type Context, Hono } from "hono";
import { callDurations } from "../../core/domain/call-durations.ts";
import type { StoredRequest, StoredRequestInput } from "../../core/domain/stored-request.ts";
import { BellhopError } from "../../core/errors.ts";
import { findHook, type HookTarget } from "../../core/store/functions/hooks.ts";
import { type IdempotentRequest, makeOnce } from "../../core/store/idempotency.ts";
import { newId } from "../../core/store/ids.ts";
import { enqueueInvocation } from "../../core/store/runs/enqueue.ts";
import { type HeldBytes, holdBytes, receiveBody } from "../bodies/receive-body.ts";
import { toStoredRequest } from "../calls/stored-request.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";
import { hashRequest, markReplay, readIdempotencyKey } from "../http/idempotency.ts";
import { traceparentOf } from "../http/trace-requests.ts";

const MAX_BODY_BYTES = 1_000_000;

/** The second one is that of Standard Webhooks. */
const KEY_HEADERS = ["idempotency-key", "webhook-id"];

const unknownHook = () => new BellhopError("hook_not_found", 404, "There is no such hook.");

const bodyTooLarge = () =>
  new BellhopError("body_too_large", 413, `A hook takes at most ${MAX_BODY_BYTES} bytes.`);

export function hookCallRoutes({ store, ringer, functionCaps, edge }: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.post("/:token", async (context) => {
    const hook = await findHook(store, context.req.param("token"));
    if (!hook) throw unknownHook();
    const held = holdBytes(edge, { namespaceId: hook.namespaceId, functionId: hook.hookId });
    const { runId, isReplay } = await receiveAndEnqueue(context, hook, held).finally(held.release);
    if (isReplay) markReplay(context);
    context.header("bellhop-run-id", runId);
    return context.json({ runId }, 202);
  });

  routes.all("/:token", (context) => {
    context.header("allow", "POST");
    throw new BellhopError("method_not_allowed", 405, "A hook takes POST.");
  });

  routes.all("*", () => {
    throw unknownHook();
  });

  async function receiveAndEnqueue(
    context: Context<ApiEnv>,
    hook: HookTarget,
    held: HeldBytes,
  ): Promise<{ runId: string; isReplay: boolean }> {
    const request = await receive(context, held);
    const { search } = new URL(request.url);
    const key = readIdempotencyKey(context, KEY_HEADERS);
    const once = key === undefined ? undefined : toIdempotent(hook, key, [search, request.body]);
    return await enqueue(hook, { request }, once, traceparentOf(context));
  }

  /** The count holds until its run is recorded: a database that stands still would gather bodies. */
  async function receive(context: Context<ApiEnv>, held: HeldBytes): Promise<StoredRequest> {
    const received = { request: context.req.raw, incoming: incomingOf(context) };
    const body = await receiveBody(edge, received, held, MAX_BODY_BYTES, bodyTooLarge);
    held.reach(body.byteLength);
    return toStoredRequest(urlOf(context.req.url), context.req.raw, body);
  }

  async function enqueue(
    { namespaceId, functionName, tag, limits }: HookTarget,
    input: StoredRequestInput,
    once: IdempotentRequest | undefined,
    traceparent: string | undefined,
  ): Promise<{ runId: string; isReplay: boolean }> {
    const runId = newId();
    const { id, made } = await makeOnce(store, once, runId, async (scope) => {
      const run = await enqueueInvocation(scope, {
        ...{ runId, namespaceId, functionName, input, trigger: "hook", awaited: false },
        traceparent,
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

  return routes;
}

/** A sender that tries again signs anew: only what it sends is the same. */
function toIdempotent({ namespaceId, hookId }: HookTarget, key: string, sent: string[]): IdempotentRequest {
  return { namespaceId, operation: `hooks/${hookId}`, key, requestHash: hashRequest(sent) };
}

/** Where it was called, without the token. */
function urlOf(text: string): string {
  const url = new URL(text);
  url.pathname = "/";
  return url.href;
}

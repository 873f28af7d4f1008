/** Calling a function by its name. */
import type { Context } from "hono";
import { z } from "zod";
import { jsonOutput, nameField } from "../../core/contracts/common.ts";
import { functionNameParam } from "../../core/contracts/function.ts";
import { collectField, debounceField, jsonParameter } from "../../core/contracts/joining-fields.ts";
import { limitKeyField } from "../../core/contracts/queue-fields.ts";
import { MAX_ATTEMPTS } from "../../core/contracts/retry-field.ts";
import { startedRunOutput } from "../../core/contracts/run.ts";
import {
  DEFAULT_PRIORITY,
  DEFAULT_QUEUE,
  isDefaultPlace,
  MAX_PRIORITY,
  type QueuePlace,
} from "../../core/domain/limit-keys.ts";
import { invalidField, notFound } from "../../core/errors.ts";
import { newId } from "../../core/store/ids.ts";
import { readJson } from "../bodies/body.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { fnRoute } from "../fn/routes.ts";
import { requireName } from "../functions/function-of-path.ts";
import { resolveTarget } from "../functions/resolve-target.ts";
import { markReplay, readIdempotentRequest } from "../http/idempotency.ts";
import { defineRoute, type Feature } from "../http/route.ts";
import { traceparentOf } from "../http/trace-requests.ts";
import { requireQueue } from "../queues/require-queue.ts";
import { INVOCATION_ERRORS, toInvocationError } from "./call-end.ts";
import { callerOf } from "./caller.ts";
import { type FunctionCall, invokeAndWait, startInvocation } from "./invoke.ts";
import { type CallJoining, joinInvocation } from "./join-call.ts";
import { readTrafficKey, TRAFFIC_KEY_HEADER, trafficKeyHeader } from "./traffic-key.ts";

/** From 0 to MAX_PRIORITY, as text. */
const PRIORITY = /^(100|\d{1,2})$/;
const priorities = `must be a whole number from 0 to ${MAX_PRIORITY}`;
const attempts = `must be a whole number from 1 to ${MAX_ATTEMPTS}`;

const callQuery = z.object({
  tag: nameField.optional().meta({ description: "A tag, instead of the traffic." }),
  revision: z.string().max(64).optional().meta({ description: "A revision's id or number." }),
  maxAttempts: z.coerce
    .number(attempts)
    .int(attempts)
    .min(1, attempts)
    .max(MAX_ATTEMPTS, attempts)
    .default(1)
    .meta({ description: "How often the call is tried, including the first attempt." }),
  queue: nameField
    .optional()
    .meta({ description: "The queue of the call: it is queued, whether its caller waits or not." }),
  concurrencyKey: limitKeyField
    .optional()
    .meta({ description: "Calls and runs of the queue with the same key share its concurrency per key." }),
  rateKey: limitKeyField
    .optional()
    .meta({ description: "Calls and runs of the queue with the same key share its rate per key." }),
  priority: z.string().regex(PRIORITY, priorities).transform(Number).optional().meta({
    description: "Waiting runs with a higher priority start first; default: 50.",
  }),
  debounce: jsonParameter(
    debounceField,
    "Calls of the function with the same key, each within the wait after the previous one, become one run: the last one's. An object as JSON; needs `Prefer: respond-async`.",
    { key: "order-7", wait: "5s", max: "1m" },
  ).optional(),
  collect: jsonParameter(
    collectField,
    "Calls become one run, whose input is the list of their inputs: up to this many, and this long after the first. An object as JSON; needs `Prefer: respond-async`.",
    { size: 100, wait: "1s" },
  ).optional(),
});

/** The only one that has the input. 422 where the function has no such tag or revision. */
async function readCall(
  parts: ApiParts,
  context: Context<ApiEnv>,
  named: string,
  { tag, revision, maxAttempts, queue, ...place }: z.output<typeof callQuery>,
): Promise<FunctionCall> {
  const input = (await readJson(context, { optional: true })) ?? null;
  const name = requireName(named);
  const fn = await parts.callables.find(context.get("owner").namespace, name);
  if (!fn) throw notFound("function", name);
  if (queue !== undefined) await requireQueue(parts.queues, fn.namespaceId, queue);
  return {
    ...{ runId: newId(), fn, trigger: "invoke", input, maxAttempts },
    place: toPlace({ queue, ...place }),
    target: await resolveTarget(parts.store.db, fn.id, { tag, revision }),
    trafficKey: readTrafficKey(context),
    traceparent: traceparentOf(context),
    once: readIdempotentRequest(context, `functions/${name}/invoke`, [input, { ...context.req.query() }]),
  };
}

/** 422 where the caller waits for the end of a run that waits for others, and where both are asked for. */
function readJoining(
  { debounce, collect }: z.output<typeof callQuery>,
  isAsync: boolean,
): CallJoining | undefined {
  if (debounce && collect) throw invalidField("collect", "give debounce or collect, not both");
  if ((debounce || collect) && !isAsync)
    throw invalidField(
      debounce ? "debounce" : "collect",
      "needs Prefer: respond-async, because such a run waits for further calls",
    );
  if (debounce) return { debounce };
  return collect && { collect };
}

/** Undefined: the queue `default`, no key in it, and the default priority. */
function toPlace(given: Pick<z.output<typeof callQuery>, keyof QueuePlace>): QueuePlace | undefined {
  const place = {
    queue: given.queue ?? DEFAULT_QUEUE,
    concurrencyKey: given.concurrencyKey ?? null,
    rateKey: given.rateKey ?? null,
    priority: given.priority ?? DEFAULT_PRIORITY,
  };
  return isDefaultPlace(place) ? undefined : place;
}

const invoke = defineRoute({
  method: "POST",
  path: "/v1/functions/:name/invoke",
  operationId: "invokeFunction",
  summary: "Call a function, and wait for its result",
  description: "With `Prefer: respond-async` the call is queued and the response comes at once.",
  access: "invoke",
  audit: { not: "A run is a record of its own." },
  params: { name: functionNameParam },
  query: callQuery,
  headers: {
    prefer: z.string().meta({ description: "`respond-async`: answer at once, with the run's id." }),
    [TRAFFIC_KEY_HEADER]: trafficKeyHeader,
  },
  idempotency: {
    by: "handler",
    why: "The answer comes when the function has ended, long after the commit, and is read from its run.",
  },
  ownBody: { content: { "application/json": jsonOutput }, isOptional: true },
  answers: {
    200: { is: "What the function returned.", schema: jsonOutput, headers: ["bellhop-run-id"] },
    202: {
      is: "The call is queued.",
      schema: startedRunOutput,
      headers: ["bellhop-run-id", "location", "preference-applied"],
    },
  },
  errors: { ...INVOCATION_ERRORS, 404: ["not_found", ...INVOCATION_ERRORS[404]!], 422: ["unknown_queue"] },
  async handle({ parts, context, params: { name }, query }) {
    const isAsync = /\brespond-async\b/i.test(context.req.header("prefer") ?? "");
    const joining = readJoining(query, isAsync);
    const call = await readCall(parts, context, name, query);
    if (isAsync) {
      const { runId, isReplay, ...more } = joining
        ? await joinInvocation(parts, call, joining)
        : await startInvocation(parts, call, false);
      if (isReplay) markReplay(context);
      context.header("bellhop-run-id", runId);
      const headers = { location: `/v1/runs/${runId}`, "preference-applied": "respond-async" };
      return { status: 202, body: { runId, ...("joined" in more && { joined: more.joined }) }, headers };
    }
    const { runId, isReplay, end } = await invokeAndWait(parts, call, callerOf(context, parts));
    if (isReplay) markReplay(context);
    context.header("bellhop-run-id", runId);
    if (end?.state === "succeeded") return { status: 200, body: end.result };
    return { error: toInvocationError(end, runId) };
  },
});

export const callFeature: Feature = {
  tag: "Calls",
  description: "Calling functions: by name, or by a URL of their own.",
  routes: [invoke, fnRoute],
};

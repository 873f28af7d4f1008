/** Chapters "Shapes", "Invoke", "A function's URL", "Hooks" and "Logs". */
import assert from "node:assert/strict";
import { MAX_STORED_HEADERS, MAX_STORED_VALUE_CHARS } from "../../../api/calls/stored-request.ts";
import { EDGE_LIMITS } from "../../../api/edge/edge.ts";
import { AWAITED_BYTES, FIRST_BYTES_WAIT_MS, FIRST_PART_BYTES } from "../../../api/fn/call-body.ts";
import { MAX_QUEUED_BODY_BYTES } from "../../../api/fn/take-request.ts";
import { MAX_HOOK_BODY_BYTES } from "../../../api/hooks/routes.ts";
import { KEEP_ALIVE_MS } from "../../../api/logs/follow.ts";
import { MAX_FOLLOWERS, MAX_FOLLOWERS_OF_KEY } from "../../../api/logs/follower-places.ts";
import type { CallOptions } from "../../../api/testing/open-api.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import {
  MAX_HOOK_RATE,
  MAX_HOOK_RATE_MS,
  MAX_HOOK_SECRETS,
  MAX_TOLERANCE_MS,
} from "../../../core/contracts/hook.ts";
import { MAX_QUERY_TEXT_CHARS } from "../../../core/contracts/log-query.ts";
import { MAX_ATTEMPTS } from "../../../core/contracts/retry-field.ts";
import { QUEUE_WAIT_MS } from "../../../core/domain/call-durations.ts";
import { formatDuration } from "../../../core/duration.ts";
import { MAX_HOOKS } from "../../../core/store/functions/hooks.ts";
import { NAMESPACE_SHARE, PUBLIC_FUNCTION_SHARE } from "../../../runtime/direct/slot-shares.ts";
import { held, makeFunction, n, type Statement, statement, type World } from "./statement.ts";

const { line, queued, lineMs } = EDGE_LIMITS;
const INVOKE = "api/calls/invoke.test.ts";
const STRANGERS = "api/fn/strangers.test.ts";
const BODY = "api/fn/call-body.test.ts";
const HOOKS = "api/hooks/hooks.test.ts";
const TASK_HOOKS = "api/hooks/task-hooks.test.ts";
const VERIFICATION = "api/hooks/verification.test.ts";
const ATTEMPTS = "api/calls/attempts.test.ts";
const attempts = `(1 to ${MAX_ATTEMPTS}, default 1)`;

/** Where a namespace's public function is called. */
async function publish({ api, tenant }: World): Promise<string> {
  await makeFunction(tenant, { public: true });
  const { name } = await api.db
    .selectFrom("namespaces")
    .select("name")
    .where("id", "=", tenant.namespaceId)
    .executeTakeFirstOrThrow();
  return `/fn/${name}/greet/`;
}

const invoking: Statement[] = [
  held("An object with only fetch is refused as unsupported_shape", [
    "runtime/sandbox/sandbox.test.ts",
    "whose default export is",
  ]),
  held("The first call waits and answers 200 with the function's result as the body", [
    INVOKE,
    "a call waits for its run and answers with the result",
  ]),
  held('The second answers 202 with {"runId": "…"} and Location: /v1/runs/… at once', [
    INVOKE,
    "respond-async answers with the run's address and waits for nothing",
  ]),
  held(
    `?maxAttempts= ${attempts} asks for more`,
    [ATTEMPTS, "an invocation is tried once, or as often as it asks for"],
    [ATTEMPTS, "another number is refused by its name"],
    ["test/system/call-attempts.test.ts", "fails once its attempts are used up, and is no dead letter"],
  ),
];

const urls: Statement[] = [
  held("A caller without a valid key gets the same 401 for everything that is not public", [
    STRANGERS,
    "the same 401 for all that is not public",
  ]),
  held("With a key of another namespace it is the same 404", [
    STRANGERS,
    "with a key of another namespace: the same 404 for all of it",
  ]),
  statement(`the call's body may then have ${n(MAX_QUEUED_BODY_BYTES)} bytes (413 beyond)`, async (world) => {
    const { api, tenant } = world;
    const path = await publish(world);
    const post = (bytes: number) =>
      api.anonymous.call("POST", path, {
        body: "x".repeat(bytes),
        headers: { "content-length": String(bytes) },
      });
    assertProblem(await post(MAX_QUEUED_BODY_BYTES + 1), 413, "body_too_large");
    const rung = api.bells.items.length;
    const answered = post(MAX_QUEUED_BODY_BYTES);
    const bell = (await api.bells.waitFor(() => true, { count: rung + 1 })).at(-1)!;
    await tenant.call("POST", `/v1/runs/${bell.runId}/cancel`);
    assertProblem(await answered, 409, "run_cancelled");
  }),
  held("a longer body is then a 503 function_busy, to be tried again", [
    "api/fn/answer-queued.test.ts",
    "a body too long for a row is one to try again where it may yet be one to stream",
  ]),
  held(
    `A call that waits for longer than the function's wallMs and ${QUEUE_WAIT_MS / 1_000} seconds gets the 504 run_not_finished, or, if its body is too long to be awaited as a whole, a 503 function_busy`,
    [
      "api/fn/answer-held.test.ts",
      "a call that waits too long goes on where its row holds the request, else it is cancelled",
    ],
  ),
  held(
    `a body of up to ${n(AWAITED_BYTES)} bytes as a whole, a longer one when its first ${n(FIRST_PART_BYTES)} bytes have come`,
    [BODY, "that is no longer than is awaited is handed over whole, and not before"],
    [BODY, "that is long is handed over with its first part, and not before"],
  ),
  held(
    `or ${{ 250: "a quarter of a second" }[FIRST_BYTES_WAIT_MS]} after its first bytes`,
    [BODY, "of unknown length is handed over a moment after its first bytes, however few"],
    [BODY, "of unknown length that ends within that moment travels with the call"],
  ),
  statement(
    "Its calls hold at most three quarters of a worker's slots, and those of all public functions seven eighths",
    () => assert.deepEqual([PUBLIC_FUNCTION_SHARE, NAMESPACE_SHARE], [3 / 4, 7 / 8]),
  ),
  held(
    `waits for ${{ 10000: "ten" }[lineMs]} seconds, with at most ${line.function - 1} others of its function, ${line.namespace - 1} of its namespace and ${line.all - 1} in total at an API`,
    ["api/direct/waiting-line.test.ts", "a function, a namespace and all together have so many places"],
    ["api/direct/waiting-line.test.ts", "who waited in vain, or has left, makes way"],
  ),
  held("it is a 503 function_busy with Retry-After", [
    "test/system/slow-callers.test.ts",
    "two hundred calls of a function that takes long leave slots to others",
  ]),
  held(
    `limited to ${queued.function} per function, ${queued.namespace} per namespace and ${queued.all} in total at an API`,
    ["api/fn/answer-queued.test.ts", "where too many wait already, nothing more is read of its body"],
    ["core/shares.test.ts", "a function, a namespace and all together hold no more than their share"],
  ),
];

const hooks: Statement[] = [
  held(
    `maxAttempts ${attempts} is how often a call is tried`,
    [ATTEMPTS, "a hook's calls are tried once, or as often as it says"],
    [ATTEMPTS, "another number is refused by its name"],
  ),
  held(
    "The first call answers 201 with {id, name, tag, maxAttempts, queue, concurrencyKey, rateKey, priority, verify, rate, createdAt, token, url}",
    [HOOKS, "a hook shows its token once"],
  ),
  held("a queue that a hook names cannot be deleted (409 queue_in_use)", [
    HOOKS,
    "a queue that a hook names is not deleted, and is once the hook is gone",
  ]),
  held("queue, concurrencyKey, rateKey and priority place its calls in the", [
    HOOKS,
    "its calls stand in the queue that it names, with its keys and its priority",
  ]),
  statement(`A function has at most ${MAX_HOOKS} hooks (409 too_many_hooks)`, async ({ tenant }) => {
    await makeFunction(tenant);
    const post = () => tenant.call("POST", "/v1/functions/greet/hooks");
    for (let at = 1; at <= MAX_HOOKS; at += 1) assert.equal((await post()).status, 201);
    assertProblem(await post(), 409, "too_many_hooks");
  }),
  held('It answers 202 with {"runId": "…"} and Bellhop-Run-Id', [
    HOOKS,
    "a call queues a run with the request as it came",
  ]),
  statement(
    `A request has at most ${n(MAX_HOOK_BODY_BYTES)} bytes (413) and ${MAX_STORED_HEADERS} headers of ${n(MAX_STORED_VALUE_CHARS)} characters (431 headers_too_large)`,
    async ({ api, tenant }) => {
      await makeFunction(tenant);
      const { url } = (await tenant.call("POST", "/v1/functions/greet/hooks")).body;
      const post = (options: CallOptions) =>
        api.anonymous.call("POST", new URL(url, "http://a").pathname, options);
      const named = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, "x"]));
      const long = (chars: number) => ({ "x-long": "x".repeat(chars) });
      const body = (bytes: number) => ({ body: "x".repeat(bytes) });
      assertProblem(await post(body(MAX_HOOK_BODY_BYTES + 1)), 413, "body_too_large");
      for (const headers of [named(MAX_STORED_HEADERS + 1), long(MAX_STORED_VALUE_CHARS + 1)])
        assertProblem(await post({ headers }), 431, "headers_too_large");
      for (const headers of [named(MAX_STORED_HEADERS), long(MAX_STORED_VALUE_CHARS)])
        assert.equal((await post({ headers })).status, 202);
      assert.equal((await post(body(MAX_HOOK_BODY_BYTES))).status, 202);
    },
  ),
  held(
    "An unknown token is a 404 hook_not_found, another method a 405",
    [HOOKS, "a token that is unknown, gone, or of a removed function is a 404 that says no more"],
    [HOOKS, "other methods are a 405, too large a request a 413 or 431; nothing is queued"],
  ),
  held(`A task may also have hooks, at most ${MAX_HOOKS}`, [
    TASK_HOOKS,
    "a task has twenty hooks; they take the scope write, and nothing crosses namespaces",
  ]),
  held("if it is cancelled, the call is a 409 task_cancelled", [
    TASK_HOOKS,
    "a task that is over runs by its hook; one that is cancelled or removed does not",
  ]),
  held(
    "JSON if its Content-Type says so (else 400 invalid_json)",
    [TASK_HOOKS, "gives it JSON as JSON and other text as text"],
    [TASK_HOOKS, "what cannot be the task's input is refused, and makes no run"],
  ),
  held(
    `a hook takes that many calls (1 to ${n(MAX_HOOK_RATE)}) in that time (1s to ${formatDuration(MAX_HOOK_RATE_MS)}), at each API; one more is a 429 rate_limited with Retry-After`,
    [VERIFICATION, "a hook that is called more often than its rate answers 429"],
    [VERIFICATION, "a hook names secrets of its namespace"],
  ),
  held(
    "Only calls that would create a run count, not those that are refused for another reason or repeated",
    [VERIFICATION, "what comes again uses up nothing of a hook's rate"],
    [TASK_HOOKS, "a call of a task that is refused or comes again uses up nothing of the hook's rate"],
  ),
  held("more at once than can be joined in time are a 503 overloaded with Retry-After", [
    TASK_HOOKS,
    "a call of a task that more join than can in time is a 503",
  ]),
  held(
    "If none is left, every call is a 401, or a 503 secrets_unavailable if one cannot be opened, and the API logs the reason, once a minute at most",
    [VERIFICATION, "a hook that has no usable secret refuses all calls, and the log says why"],
    [VERIFICATION, "a secret that is no key of the scheme, or cannot be opened, spoils no other"],
  ),
  held("its event's id, if that begins with evt_; otherwise by what was signed", [
    "core/secrets/hook-signature.test.ts",
    "a delivery is told by the scheme's id, Stripe's by its event, else by what was signed",
  ]),
  held(`secrets are 1 to ${MAX_HOOK_SECRETS} names, and a signature by any of them is accepted`, [
    VERIFICATION,
    "what is signed by any of the secrets is taken",
  ]),
  held("They must exist when the hook is created (422 unknown_secret)", [
    VERIFICATION,
    "a hook names secrets of its namespace",
  ]),
  held(
    `whose timestamp is more than tolerance (1s to ${formatDuration(MAX_TOLERANCE_MS)}, 5m by default) from now, is a 401 invalid_signature`,
    [VERIFICATION, "a signature is of now, within five minutes or what the hook says"],
    [VERIFICATION, "whatever is wrong is the same 401, and writes nothing"],
    [VERIFICATION, "a hook names secrets of its namespace"],
  ),
  held("It writes nothing, and does not count towards rate", [
    VERIFICATION,
    "who cannot sign uses up nothing of a hook's rate",
  ]),
  held("A delivery that comes again within 24 hours, replayed or sent again, gets the first response", [
    VERIFICATION,
    "a delivery that comes again is answered as the first, and runs once",
  ]),
  held("the same delivery is the same request, whatever its query and body", [
    VERIFICATION,
    "a delivery is the same with another query and body",
  ]),
];

const logs: Statement[] = [
  held(`A quiet stream sends an empty line or a comment every ${KEEP_ALIVE_MS / 1_000} seconds. With`, [
    "api/logs/follow.test.ts",
    "stream says every 15 s that it is there",
  ]),
  held(
    "A stream ends within a second after its key is revoked or expires",
    [
      "api/logs/follow.test.ts",
      "a reader whose key is not valid any more is let go at once, and his key is watched no longer",
    ],
    [
      "api/auth/key-watch.test.ts",
      "who watches a key hears within a second that it is revoked, expired or gone",
    ],
  ),
  held(
    `A key may have ${MAX_FOLLOWERS_OF_KEY} streams open at an API process, and a process ${n(MAX_FOLLOWERS)}; the next is a 429 too_many_followers with Retry-After`,
    [
      "api/logs/followers.test.ts",
      "a key has so many places, and so has the process; whoever leaves makes room",
    ],
  ),
  held("RFC 3339, or a duration back from now such as 15m", [
    "api/logs/log-filters.test.ts",
    "lines are found by level, text, revision, run and time, newest first",
  ]),
  statement(`ignoring case; at most ${MAX_QUERY_TEXT_CHARS} characters`, async ({ tenant }) => {
    await makeFunction(tenant);
    const search = (chars: number) => tenant.call("GET", `/v1/functions/greet/logs?q=${"x".repeat(chars)}`);
    assertProblem(await search(MAX_QUERY_TEXT_CHARS + 1), 422, "invalid_input", ["q"]);
    assert.equal((await search(MAX_QUERY_TEXT_CHARS)).status, 200);
  }),
];

export const CALLS: Statement[] = [...invoking, ...urls, ...hooks, ...logs];

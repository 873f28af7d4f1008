/** The opening chapters, "Idempotency keys", "Slow callers" and "Pages": what holds for every request. */
import assert from "node:assert/strict";
import { REMEMBER_MS } from "../../../api/auth/keyring.ts";
import { MAX_DRAIN_MS, MAX_DRAINED_BYTES } from "../../../api/edge/drain-answered.ts";
import { EDGE_LIMITS } from "../../../api/edge/edge.ts";
import { LONGEST_WAIT_MS } from "../../../api/http/shed-load.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import { MOST_DIGITS } from "../../../core/storable-number.ts";
import { MAX_KEPT_ANSWER_BYTES } from "../../../core/store/kept-answers.ts";
import { MAX_OPEN_ROWS } from "../../../core/store/runs/filter.ts";
import { until } from "../../../core/store/testing/test-store.ts";
import { MAX_PAGE_BYTES, MAX_ROWS } from "../../../core/store/walk.ts";
import { HTTP_TASK, held, n, type Statement, statement } from "./statement.ts";

const { server, body, duplex, response, bodies, uploads } = EDGE_LIMITS;
const DRAINED = "api/edge/drain-answered.test.ts";
const SLOW = "test/system/slow-callers.test.ts";

/** In words where there are few of them. */
const inWords = (seconds: number) => ({ 2: "two", 10: "ten" })[seconds] ?? n(seconds);

const opening: Statement[] = [
  statement("A revoked key is refused everywhere within a second", async ({ api, tenant }) => {
    assert.ok(REMEMBER_MS < 1_000);
    assert.equal((await tenant.call("GET", "/v1/whoami")).status, 200);
    await api.db
      .updateTable("api_keys")
      .set({ revoked_at: new Date(0) })
      .where("namespace_id", "=", tenant.namespaceId)
      .execute();
    await until(async () => (await tenant.call("GET", "/v1/whoami")).status === 401 || undefined);
  }),
  held('links to what to do about it: Link: </docs/errors#invalid_input>; rel="help"', [
    "api/docs/docs.test.ts",
    "an error of the API leads to its place there",
  ]),
  held("(two hosts, two lengths, a length and chunks) is a 400, and its connection is closed", [
    "test/system/raw-requests.test.ts",
    "answers 400 and closes",
  ]),
  held("any other is a 415 with Accept-Encoding: identity", [
    "api/app.test.ts",
    "an encoded body of /v1 is a 415 in plain words that says what is taken",
  ]),
  held("is a 422 that names the field, in a task as in the input of an invocation", [
    "api/bodies/stored-text.test.ts",
    "text that cannot be stored is refused with its field's name, and nothing is written",
  ]),
  held(
    `with more than ${n(MOST_DIGITS.beforePoint)} digits before its point or ${n(MOST_DIGITS.afterPoint)} after it is a 422`,
    [
      "api/tasks/http-body.test.ts",
      "a number that the database does not take is refused with its field's name",
    ],
    ["core/store/storable-number.test.ts", "what jsonb does not store is refused, and nothing else"],
  ),
  held(
    "A function's result with such text fails as unrecordable_result, called directly or through the queue",
    ["test/system/failed-calls.test.ts", "whose result or error holds U+0000 is told as its run says"],
  ),
  held(
    "Unknown fields are refused by name, so that a typo does not silently become a default",
    ["core/contracts/task-input.test.ts", "a field of nobody is refused by name, also deep inside"],
    ["api/http/routes.test.ts", "every route refuses a parameter that nobody knows, by its name"],
    ["api/http/routes.test.ts", "a parameter that is given twice and counts once is refused"],
    ["api/bodies/refuse-body.test.ts", "a POST that takes no body refuses a field by its name"],
  ),
  held("A path with a method that it does not support is a 405 with Allow, an OPTIONS a 204 with it", [
    "api/http/routes.test.ts",
    "a known path with another method is a 405 that says which it takes",
  ]),
  held("A GET with If-None-Match is answered 304 if both are unchanged", [
    "api/http/entity.test.ts",
    "already is told so",
  ]),
  held("made only if the definition (the first half) is what the caller has seen", [
    "api/http/entity.test.ts",
    "who has seen a queue is shown what waits in it by now, and may change it by what he saw",
  ]),
  held(
    "otherwise it is a 412 precondition_failed, and nothing is changed or created",
    ["api/http/entity.test.ts", "is changed only where it is what its caller has seen"],
    ["api/http/entity.test.ts", "what is not there matches nothing, and is not made"],
    ["api/http/entity.test.ts", "of many who have seen the same, one changes it"],
  ),
  held(
    "A change with If-None-Match: * is made only if the resource does not exist",
    [
      "api/http/entity.test.ts",
      "with If-None-Match a thing is made only where there is none, and changed only where it is another",
    ],
    ["api/http/entity.test.ts", "of many who make a thing where there is none, one makes it"],
  ),
  held("or if the header cannot be parsed, a change is refused as 400 unsupported_condition", [
    "api/http/entity.test.ts",
    "a condition is refused by its header where nothing has an ETag, and where it cannot be read",
  ]),
  held(
    "a 200 becomes a 204, a 201 has no body",
    ["api/http/preferences.test.ts", "what is made is told of by its address alone"],
    ["api/http/preferences.test.ts", "what is changed is a 204"],
  ),
  held("A preflight needs no key, and a browser need not repeat it for 10 minutes", [
    "api/http/cors.test.ts",
    "a page of an origin that is named may, and reads what it needs; it is asked for no key before",
  ]),
  held("so that If-None-Match is answered 304", [
    "api/openapi/document.test.ts",
    "the document has an ETag, and who has it already is told so",
  ]),
];

const idempotency: Statement[] = [
  statement(
    "Idempotency-Key, 1 to 255 visible ASCII characters (else 400 invalid_idempotency_key)",
    async ({ tenant }) => {
      const post = (key: string) =>
        tenant.call("POST", "/v1/tasks", { body: HTTP_TASK, headers: { "idempotency-key": key } });
      for (const key of ["", "x".repeat(256), "a b", "\u00e9"])
        assertProblem(await post(key), 400, "invalid_idempotency_key");
      for (const key of ["!", "x".repeat(255), "~"]) assert.equal((await post(key)).status, 201);
    },
  ),
  held("with Idempotency-Replayed: true, whatever has changed since", [
    "api/tasks/routes.test.ts",
    "a task made again under its key is answered as the first time, also once it is removed",
  ]),
  held("a repetition waits for it, for 2 s, and then is a 409 idempotency_key_in_use", [
    "core/store/idempotency.test.ts",
    "a request waits for one with its key until that takes too long, and what it does after that as ever",
  ]),
  statement("A response of more than 4,000,000 bytes is not kept", () => {
    assert.equal(MAX_KEPT_ANSWER_BYTES, 4_000_000);
  }),
  held("a repetition is a 409 answer_not_kept", [
    "api/http/idempotency.test.ts",
    "an answer that is too large is not kept: a repetition is refused, and does nothing",
  ]),
  held("another one of the namespace gets a 422 idempotency_key_reused", [
    "api/http/idempotency.test.ts",
    "an answer that shows a secret is kept for its caller alone",
  ]),
  held(
    "another body or query with the same key is a 422 idempotency_key_reused",
    ["api/http/idempotency.test.ts", "a task is made once"],
    ["api/http/idempotency.test.ts", "a hook takes Idempotency-Key, and without it webhook-id"],
    ["api/tasks/http-body.test.ts", "under an idempotency key another text is another request"],
  ),
  held(
    "A key is kept for 24 hours, separately for each path of a namespace; a refused request leaves it free",
    ["core/store/idempotency.test.ts", "a key is kept for a day: then it is as good as new, and swept"],
    ["core/store/idempotency.test.ts", "another operation or namespace has keys of its own"],
    ["api/http/idempotency.test.ts", "what was refused may be sent again, put right, with the same key"],
  ),
];

const slowCallers: Statement[] = [
  held(`within ${server.headersTimeout / 1_000} s | 408, without a document`, [
    SLOW,
    "heads have to come as well",
  ]),
  held(
    `${n(body.bytesPerSecond)} bytes a second, while it is read; each byte pays for a millisecond of waiting, and a caller who owes ${inWords(body.graceMs / 1_000)} seconds is too slow: no pause may be longer | 408 request_body_too_slow`,
    [SLOW, "bodies of the API and of hooks have to come as well"],
    ["api/fn/call-body.test.ts", "that does not come is refused, and holds nothing"],
    ["api/edge/least-rate.test.ts", "a burst buys no pause"],
  ),
  held(
    `a byte in either direction within ${duplex.graceMs / 1_000} s | the response breaks off`,
    [
      "api/fn/direct-answer.test.ts",
      "once the response has begun either side may pause for a minute, and not longer",
    ],
    [SLOW, "who is answered while still sending may pause longer than the grace"],
  ),
  held(
    `${n(body.bytesPerSecond)} bytes a second, as above, for ${MAX_DRAIN_MS / 1_000} s and ${n(MAX_DRAINED_BYTES)} bytes at most | the connection ends`,
    [DRAINED, "a connection goes on after an answer that came before the body"],
    [DRAINED, "a body that keeps to its rate may come for a minute"],
    [DRAINED, "a body that does not keep to its rate ends its connection"],
    [DRAINED, "who goes on sending for ever is ended"],
  ),
  held(
    `${n(response.bytesPerSecond)} bytes a second, while there is something to read; a caller who owes ${response.graceMs / 1_000} seconds is too slow | the connection is reset`,
    ["api/edge/stalled-readers.test.ts", "who takes nothing of what is there for a minute is cut off"],
    ["api/edge/stalled-readers.test.ts", "who takes a large answer piece by piece is not cut off"],
    [SLOW, "two hundred readers who do not read hold their share alone, for a while"],
  ),
  held(
    "The run of a call that is cut off ends as failed with request_body_too_slow or response_not_taken",
    ["runtime/direct/direct-calls.test.ts", "a run whose caller was cut off ends as failed, for that reason"],
    ["api/fn/direct-answer.test.ts", "who was cut off for not reading is told apart from who left"],
  ),
  held(
    `Uploads of functions have a separate limit of ${n(uploads.all)} bytes, ${n(uploads.namespace)} per namespace`,
    [
      "api/bodies/body.test.ts",
      "uploads of one namespace leave room for those of three others, each of the largest",
    ],
  ),
  held(
    `at most ${n(bodies.all)} bytes of an API, ${n(bodies.namespace)} of a namespace and ${n(bodies.function)} of a function or hook`,
    ["core/shares.test.ts", "a function, a namespace and all together hold no more than their share"],
    ["api/bodies/body.test.ts", "bodies on their way have the namespace's share"],
    ["api/hooks/hooks.test.ts", "the body of a call is counted until its run is recorded"],
  ),
  held(
    "beyond that it is a 503 too_many_bodies with Retry-After",
    ["api/fn/call-body.test.ts", "for which there is no memory left is refused, and may be sent again"],
    ["api/fn/answer-queued.test.ts", "a body beyond the share is refused, and no more of it is read"],
  ),
  held(`An API has at most ${n(server.maxConnections)} connections and closes further ones as they come`, [
    "api/edge/connections.test.ts",
    "more connections than there may be are closed as they come",
  ]),
  held(
    `overloaded: other requests have waited for more than ${LONGEST_WAIT_MS / 1_000} s for a database connection, and nothing was done`,
    ["api/http/shed-load.test.ts", "while others wait long for the database"],
  ),
  held("an idle one is closed after 5 s", [
    "api/edge/connections.test.ts",
    "a caller is told how long an idle connection stays open",
  ]),
];

const pages: Statement[] = [
  held(
    `A page ends early if results, errors or definitions are large, at some ${MAX_PAGE_BYTES / 1_000_000} MB of them`,
    ["core/store/walk.test.ts", "results is bounded in bytes"],
  ),
  statement("Lists take limit (1 to 200, default 50)", async ({ tenant }) => {
    for (const limit of [0, 201, 1.5])
      assertProblem(await tenant.call("GET", `/v1/tasks?limit=${limit}`), 422, "invalid_input", ["limit"]);
    const post = () => tenant.call("POST", "/v1/tasks", { body: HTTP_TASK });
    await Promise.all(Array.from({ length: 51 }, post));
    const count = async (query: string) => (await tenant.call("GET", `/v1/tasks${query}`)).body.items.length;
    assert.deepEqual([await count(""), await count("?limit=1"), await count("?limit=200")], [50, 1, 51]);
  }),
  held(
    "order=desc, the default, newest first",
    ["api/runs/filters.test.ts", "runs are found by each parameter, by several at once"],
    ["api/tasks/filters.test.ts", "tasks are found by each parameter, by several at once"],
  ),
  held(
    "An unknown one is a 422 that names it, and so is an invalid value",
    [
      "api/runs/filters.test.ts",
      "a parameter that nobody knows, or a value that cannot be, is refused by name",
    ],
    [
      "api/tasks/filters.test.ts",
      "a parameter that nobody knows, or a value that cannot be, is refused by name",
    ],
  ),
  held(
    `a page searches part of the list, ${n(MAX_ROWS)} rows or, for open runs, ${n(MAX_OPEN_ROWS)}`,
    ["core/store/tasks/filter.test.ts", "filters narrow each other, whichever are combined"],
    ["core/store/runs/filter.test.ts", "filters narrow each other, whichever are combined"],
  ),
];

export const REQUESTS: Statement[] = [...opening, ...idempotency, ...slowCallers, ...pages];

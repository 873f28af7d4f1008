/** Chapter "Tasks"; its schedules are in schedules.ts. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readSettings } from "../../../core/config/settings.ts";
import { DEFAULT_POLICY } from "../../../core/contracts/task-policy.ts";
import { MAX_SHOWN_CHARS } from "../../../core/domain/definition-diff.ts";
import { MAX_RETRY_AFTER_MS } from "../../../core/domain/retry.ts";
import { MAX_KEPT_CHANGES } from "../../../core/domain/task-change.ts";
import { MAX_KEY_LENGTH } from "../../../core/domain/task-key.ts";
import { MAX_SET_TASKS } from "../../../core/domain/task-set.ts";
import { formatDuration, parseDuration } from "../../../core/duration.ts";
import { MAX_REDIRECTS } from "../../../core/egress/redirect.ts";
import {
  MAX_RECORDED_BODY_BYTES,
  MAX_RECORDED_HEADER_CHARS,
  MAX_RECORDED_HEADERS,
} from "../../../runtime/runners/http-record.ts";
import { readRows, withoutBackticks } from "./document.ts";
import { bounded, HTTP_TASK, held, makeFunction, n, type Statement, statement } from "./statement.ts";

const FIELDS = "| field | default | meaning |";
const { retry, timeoutMs } = DEFAULT_POLICY;
assert.ok("factor" in retry.backoff);
const { initialMs, factor, maxMs } = retry.backoff;

const withBackoff = (field: string, value: string | number) => ({ retry: { backoff: { [field]: value } } });

/** A row whose bounds are durations. */
const backoffRow = (field: "initial" | "max", shown: string, is: string, [least, most]: [string, string]) =>
  statement(
    `| retry.backoff.${field} | "${shown}" | ${is} |`,
    bounded(HTTP_TASK, {
      field: `retry.backoff.${field}`,
      takes: [withBackoff(field, least), withBackoff(field, most)],
      refuses: [withBackoff(field, "0ms"), withBackoff(field, `${parseDuration(most)! + 1}ms`)],
    }),
  );

const fields: Statement[] = [
  held("null selects the default, and for an object it selects the defaults of all its fields", [
    "api/tasks/put.test.ts",
    "null is the default of its field, so that what an answer shows can be sent back",
  ]),
  statement(FIELDS, async ({ tenant }) => {
    const { body: task } = await tenant.call("POST", "/v1/tasks", { body: HTTP_TASK });
    const told = readRows(FIELDS)
      .map((cells) => cells.map(withoutBackticks))
      .filter(([name]) => name !== "type" && name !== "schedule");
    assert.ok(told.length >= 9);
    for (const [name, byDefault] of told) {
      const shown = name!.split(".").reduce((value, key) => value[key], task);
      assert.deepEqual(shown, JSON.parse(byDefault!), name);
    }
    const { body: atOnce } = await tenant.call("POST", "/v1/tasks", {
      body: { ...HTTP_TASK, schedule: undefined as never },
    });
    assert.equal(atOnce.schedule, null);
  }),
  statement(
    "| null | 1 to 200 characters, for people |",
    bounded(HTTP_TASK, {
      field: "name",
      takes: [{ name: "x" }, { name: "x".repeat(200) }],
      refuses: [{ name: "" }, { name: "x".repeat(201) }],
    }),
  ),
  statement(
    `| retry.maxAttempts | ${retry.maxAttempts} | total attempts, 1 to 100 |`,
    bounded(HTTP_TASK, {
      field: "retry.maxAttempts",
      takes: [{ retry: { maxAttempts: 1 } }, { retry: { maxAttempts: 100 } }],
      refuses: [{ retry: { maxAttempts: 0 } }, { retry: { maxAttempts: 101 } }],
    }),
  ),
  backoffRow("initial", formatDuration(initialMs), "wait after the first failure, 1 ms to 1 day", [
    "1ms",
    "1d",
  ]),
  backoffRow("max", formatDuration(maxMs), "longest wait, 1 ms to 7 days", ["1ms", "7d"]),
  statement(
    `| retry.backoff.factor | ${factor} | growth of each further wait, 1 to 10 |`,
    bounded(HTTP_TASK, {
      field: "retry.backoff.factor",
      takes: [withBackoff("factor", 1), withBackoff("factor", 10)],
      refuses: [withBackoff("factor", 0.9), withBackoff("factor", 10.1)],
    }),
  ),
  statement(
    `| timeout | "${formatDuration(timeoutMs)}" | of one attempt, 100 ms to 1 hour |`,
    bounded(HTTP_TASK, {
      field: "timeout",
      takes: [{ timeout: "100ms" }, { timeout: "1h" }],
      refuses: [{ timeout: "99ms" }, { timeout: "3600001ms" }],
    }),
  ),
  statement("| labels | {} | up to 32 names with string values |", async (world) => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`l${at}`, "x"]));
    const takes = [{ labels: many(32) }];
    await bounded(HTTP_TASK, { field: "labels", takes, refuses: [{ labels: many(33) }] })(world);
  }),
];

const http: Statement[] = [
  held(
    "(a list of statuses that count as success; default 200 to 299)",
    ["runtime/runners/http.test.ts", "is success for 2xx"],
    ["runtime/runners/http.test.ts", "follows the author's list of statuses"],
  ),
  held("Statuses 408, 425, 429 and 5xx and network errors are retried", [
    "runtime/runners/http.test.ts",
    "is retryable for the statuses that may pass",
  ]),
  held(
    `Retry-After is honoured up to ${MAX_RETRY_AFTER_MS / 3_600_000} hours`,
    ["core/domain/retry.test.ts", "is obeyed for a day at most"],
    ["runtime/runners/http.test.ts", "obeys Retry-After in both forms"],
  ),
  held(
    `at most ${MAX_RECORDED_BODY_BYTES / 1024} KiB of body, ${MAX_RECORDED_HEADERS} headers in ${MAX_RECORDED_HEADER_CHARS / 1024} KiB, without set-cookie`,
    ["runtime/runners/http.test.ts", "cuts a long body, and no character in two"],
    ["runtime/runners/http.test.ts", "bounds the headers"],
    ["runtime/runners/http.test.ts", "holds status, headers and text"],
  ),
  held(`follows up to ${MAX_REDIRECTS} redirects that keep method and body`, [
    "core/egress/egress.test.ts",
    "end after five",
  ]),
  held(
    "307 and 308, and for GET and HEAD all of them. 301, 302 and 303 to another method fail with that status",
    ["core/egress/redirect.test.ts", "follows by `true` what keeps method and body, by `as-get` all"],
    ["runtime/runners/http.test.ts", "fails where a redirect would have lost the body, and says so"],
  ),
  held("Interim responses (100, 103) are skipped", [
    "core/egress/interim-responses.test.ts",
    "hears the answer behind it, and the connection serves on",
  ]),
  held("A 101, which no request asks for, is bad_response", [
    "core/egress/interim-responses.test.ts",
    "that is answered 101 fails in plain words",
  ]),
  statement("a url with such a port is a 422", async (world) => {
    const refuses = [{ url: "http://example.com:25/" }, { url: "https://example.com:6000/" }];
    await bounded(HTTP_TASK, { field: "url", takes: [{ url: "http://example.com:8080/" }], refuses })(world);
  }),
  statement("input (any JSON, default null)", async ({ tenant }) => {
    await makeFunction(tenant);
    const body = { type: "function", function: "greet", schedule: { delay: "1h" } };
    assert.equal((await tenant.call("POST", "/v1/tasks", { body })).body.input, null);
  }),
];

const named: Statement[] = [
  held(
    "tag, or revision (an id or a number, shown as the id)",
    ["api/tasks/target.test.ts", "a task runs the revision it names, whatever the traffic"],
    [
      "api/tasks/target.test.ts",
      "what the function does not have is refused by its field, and nothing is made",
    ],
  ),
];

const changes: Statement[] = [
  held("and resets any other field to its default", [
    "api/tasks/patch.test.ts",
    "null brings a field's default back",
  ]),
  held(
    "Pausing or resuming a task without a further occurrence, and changing or running a cancelled one, is a 409",
    ["api/tasks/routes.test.ts", "a completed task can neither be paused nor resumed, but run again"],
    ["api/tasks/routes.test.ts", "a cancelled task does nothing any more: 409"],
  ),
  held("A field that a task of the type does not have is a 422, and so is any for an e-mail", [
    "api/tasks/run-now.test.ts",
    "a field that a task of the type does not have is refused by its name",
  ]),
  held("removes the task: it is a 404 from then on, and in no list", [
    "api/tasks/routes.test.ts",
    "DELETE removes a task: its waiting runs are cancelled",
  ]),
  held(
    `(BELLHOP_RETENTION_DAYS, ${readSettings(["BELLHOP_RETENTION_DAYS"], {}).BELLHOP_RETENTION_DAYS})`,
    ["core/store/tasks/expire.test.ts", "a task that is over goes once no run of it is kept"],
    ["core/store/tasks/expire.test.ts", "what is not over, or ended lately, stays"],
    ["core/store/tasks/expire.test.ts", "a dead letter keeps its task, removed or not"],
  ),
];

const sets: Statement[] = [
  held(
    "it creates the task (201) or replaces its definition (200), and fields that are left out get their defaults",
    ["api/tasks/put.test.ts", "the first makes the task, the same once more changes nothing"],
  ),
  held("type cannot change: another one is a 422. So is anything that a POST would refuse", [
    "api/tasks/put.test.ts",
    "what cannot be put is refused by its field, and changes nothing",
  ]),
  held("?dryRun=true changes nothing, and answers 200 with what would be done", [
    "api/tasks/put.test.ts",
    "a dry run says what would be done, and does nothing",
  ]),
  held(`If either has more than ${n(MAX_SHOWN_CHARS)} characters of JSON`, [
    "core/domain/definition-diff.test.ts",
    "a value that is long is told to have changed",
  ]),
  held(`up to ${n(MAX_SET_TASKS)} tasks by their keys, in one transaction`, [
    "api/tasks/apply.test.ts",
    "one invalid item refuses the whole",
  ]),
  held("it is a 422 that names up to 20 faults, each by its item", [
    "api/tasks/apply.test.ts",
    "one invalid item refuses the whole",
  ]),
  held(`are removed as by DELETE, up to ${n(MAX_SET_TASKS)} of them`, [
    "api/tasks/apply.test.ts",
    "what the set no longer names goes only where it is asked for",
  ]),
];

const history: Statement[] = [
  held(`its newest ${n(MAX_KEPT_CHANGES)} changes`, [
    "api/tasks/changes.test.ts",
    "of the changes of a task the newest are kept",
  ]),
];

const keys: Statement[] = [
  statement(
    `a letter or digit, then letters, digits and . _ : -, ${MAX_KEY_LENGTH} characters at most, and no UUID`,
    bounded(HTTP_TASK, {
      field: "key",
      takes: [{ key: "A.b_c:d-9" }, { key: "x".repeat(MAX_KEY_LENGTH) }],
      refuses: ["-a", "a/b", "apply", "x".repeat(MAX_KEY_LENGTH + 1), randomUUID()].map((key) => ({ key })),
    }),
  ),
  held("A filter with a key that no task has is a 422", [
    "api/tasks/keys.test.ts",
    "filters of runs, dead letters, redrives and bulk actions take a task's key",
  ]),
  held(
    "One that another task has is a 409 task_key_taken",
    ["api/tasks/keys.test.ts", "a key that another task has is a 409 that names it"],
    ["api/tasks/keys.test.ts", "a task that is over keeps its key until it is given to another"],
  ),
];

const DEDUP_TEST = "api/tasks/dedup.test.ts";
const duplicates: Statement[] = [
  held(
    "within the window (1 s to 24 h, back from now), nothing is created, and the response is a 200 with the existing task",
    [DEDUP_TEST, "a window has its bounds, and is no part of a task"],
    [DEDUP_TEST, "the window is that of who asks, back from now"],
    [
      DEDUP_TEST,
      "the same content within the window is answered with the task that was made, and makes none",
    ],
  ),
  held("a request that waits for it longer than 2 s gets a 409 duplicate_under_way", [
    "core/store/dedup.test.ts",
    "who comes while the same is being made waits for it, until that takes too long",
  ]),
  held("one that creates nothing has the status 200", [
    DEDUP_TEST,
    "items of a batch are found among themselves and among other tasks",
  ]),
  held("the response is a 200 with that run, however it ended, unless it was cancelled", [
    DEDUP_TEST,
    "a run now of the same task with the same input is the one that was made within the window",
  ]),
];

export const TASKS: Statement[] = [
  ...fields,
  ...http,
  ...named,
  ...keys,
  ...sets,
  ...history,
  ...duplicates,
  ...changes,
];

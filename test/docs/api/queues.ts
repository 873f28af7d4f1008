/** Chapter "Queues". */
import assert from "node:assert/strict";
import { assertProblem } from "../../../api/testing/problem.ts";
import type { Json } from "../../../core/json.ts";
import { MAX_COUNTED } from "../../../core/store/queues/count-runs.ts";
import { MAX_QUEUES } from "../../../core/store/queues/queues.ts";
import { bounded, HTTP_TASK, held, n, type Statement, statement, type World } from "./statement.ts";

const API = "api/queues/queues.test.ts";

/** Limits at their bounds are taken, limits beyond them a 422 that names the field. */
const boundedLimit =
  (field: string, of: (value: number) => Record<string, Json>, max: number) =>
  async ({ tenant }: World) => {
    const put = (value: number) => tenant.call("PUT", "/v1/queues/bounded", { body: of(value) });
    for (const value of [0, max + 1, 1.5]) assertProblem(await put(value), 422, "invalid_input", [field]);
    for (const value of [1, max]) assert.ok((await put(value)).status < 300);
  };

export const QUEUES: Statement[] = [
  held("| field of a queue | default | meaning |", [
    API,
    "a queue is made, read, changed, listed beside default",
  ]),
  statement(
    "| concurrency | null | concurrent runs, 1 to 100,000 |",
    boundedLimit("concurrency", (concurrency) => ({ concurrency }), 100_000),
  ),
  statement(
    "| perKey.concurrency | null | concurrent runs with the same concurrencyKey, 1 to 100,000 |",
    boundedLimit("perKey.concurrency", (concurrency) => ({ perKey: { concurrency } }), 100_000),
  ),
  statement("limit is 1 to 100,000, per 1 s to 30 days; burst, 1 to 100,000,", async ({ tenant }) => {
    const put = (rate: Record<string, Json>) => tenant.call("PUT", "/v1/queues/bounded", { body: { rate } });
    for (const limit of [0, 100_001])
      assertProblem(await put({ limit, per: "1s" }), 422, "invalid_input", ["rate.limit"]);
    for (const per of ["999ms", "31d"])
      assertProblem(await put({ limit: 1, per }), 422, "invalid_input", ["rate.per"]);
    for (const burst of [0, 100_001])
      assertProblem(await put({ limit: 1, per: "1s", burst }), 422, "invalid_input", ["rate.burst"]);
    for (const rate of [
      { limit: 1, per: "1s", burst: 1 },
      { limit: 100_000, per: "30d", burst: 100_000 },
    ])
      assert.ok((await put(rate)).status < 300);
  }),
  held(
    `| rate | null | {"limit": 10, "per": "1s", "burst": 20}: the start rate.`,
    ["core/store/queues/queues.test.ts", "lets as many start as its bucket holds"],
    [API, "a queue is made, read, changed, listed beside default"],
  ),
  held("is how many may start at once after an idle period, by default as many as limit", [
    "core/store/queues/queues.test.ts",
    "lets as many start as its bucket holds",
  ]),
  held("| perKey.rate | null | the same as rate", [
    "core/store/queues/queues.test.ts",
    "per key is of each rate key",
  ]),
  held(
    "| restOn429 | false | whether a 429 or 503 with Retry-After to an HTTP task pauses the queue until then, up to 24 hours |",
    ["runtime/runners/rest-queue.test.ts", "a 429 or 503 that says when to come back rests the queue"],
    ["core/store/queues/rest-queue.test.ts", "is paused until then, and not for a shorter time than before"],
  ),
  held("| rateKey | null | the same for its perKey.rate |", [
    "core/store/queues/queues.test.ts",
    "per key is of each rate key",
  ]),
  statement(
    "| priority | 50 | 0 to 100:",
    bounded(HTTP_TASK, {
      field: "priority",
      takes: [{ priority: 0 }, { priority: 100 }],
      refuses: [{ priority: -1 }, { priority: 101 }, { priority: 1.5 }, { priority: "1" }],
    }),
  ),
  held("?priority= (0 to 100, default 50) its priority; any of them queues it as well", [
    API,
    "have the priority that they name",
  ]),
  held("| paused | unchanged | whether its runs are held back |", [
    "core/store/queues/queues.test.ts",
    "stays paused while its limits are changed, unless that says otherwise",
  ]),
  held(`| queue | "default" |`, [API, "a queue that something names is not deleted"]),
  statement(
    "| concurrencyKey | null | 1 to 128 characters",
    bounded(HTTP_TASK, {
      field: "concurrencyKey",
      takes: [{ concurrencyKey: "x" }, { concurrencyKey: "x".repeat(128) }],
      refuses: [{ concurrencyKey: "" }, { concurrencyKey: "x".repeat(129) }],
    }),
  ),
  statement(
    `The rules for a queue's name are those of functions; a namespace has up to ${n(MAX_QUEUES)} in addition to default`,
    async ({ api, tenant }) => {
      const put = (name: string) => tenant.call("PUT", `/v1/queues/${name}`, { body: {} });
      for (const name of ["A", "1a", "a_b", "a".repeat(64)])
        assertProblem(await put(name), 422, "invalid_input", ["name"]);
      assert.equal((await put("a".repeat(63))).status, 201);
      await api.store.pool.query(
        `INSERT INTO queues (namespace_id, name) SELECT $1, 'q' || n FROM generate_series(2, $2::int) n`,
        [tenant.namespaceId, MAX_QUEUES],
      );
      assertProblem(await put("one-more"), 409, "too_many_queues");
      assert.equal((await put("default")).status, 200);
    },
  ),
  held("cannot be deleted: 409 queue_in_use", [API, "a queue that something names is not deleted"]),
  held(
    "A task or a call that names a queue which does not exist is a 422 unknown_queue",
    [API, "it is one namespace's"],
    [API, "a call that names a queue that is not there is refused"],
  ),
  held(`Up to ${n(MAX_COUNTED)} waiting runs are counted`, [
    "core/store/queues/queues.test.ts",
    "no more runs are looked at than the bound",
  ]),
];

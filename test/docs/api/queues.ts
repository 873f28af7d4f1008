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
    "| concurrency | null | runs at once, 1 to 100,000 |",
    boundedLimit("concurrency", (concurrency) => ({ concurrency }), 100_000),
  ),
  statement(
    "| perKey.concurrency | null | runs at once that have the same concurrencyKey, 1 to 100,000 |",
    boundedLimit("perKey.concurrency", (concurrency) => ({ perKey: { concurrency } }), 100_000),
  ),
  held("| paused | as it is | whether none of its runs starts |", [
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
    `A queue's name is formed like a function's; a namespace has up to ${n(MAX_QUEUES)} besides default`,
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
      assert.equal((await put("default")).status, 201);
    },
  ),
  held("is not deleted: 409 queue_in_use", [API, "a queue that something names is not deleted"]),
  held(
    "A task or a call that names a queue which does not exist is a 422 unknown_queue",
    [API, "it is one namespace's"],
    [API, "a call that names a queue that is not there is refused"],
  ),
  held(`Up to ${n(MAX_COUNTED)} waiting runs of a queue are counted`, [
    "core/store/queues/queues.test.ts",
    "no more runs are looked at than the bound",
  ]),
];

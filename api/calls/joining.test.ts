/** Calls that become one run with others; the worker's part is played by store functions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { untilBlocked } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const ASYNC = { prefer: "respond-async" };

async function newTenantWithFunction(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => null;" } });
  return tenant;
}

const DEBOUNCE = { key: "k", wait: "1m", max: "1h" };
const COLLECT = { size: 3, wait: "1m" };

const toValue = (given: Json) => (typeof given === "object" ? JSON.stringify(given) : String(given));

function pathOf(query: Record<string, Json>): string {
  const params = Object.entries(query).map(([name, value]): [string, string] => [name, toValue(value)]);
  return `/v1/functions/greet/invoke?${new URLSearchParams(params)}`;
}

const call = (
  tenant: TestCaller,
  query: Record<string, Json>,
  body: Json,
  headers: Record<string, string> = ASYNC,
) => tenant.call("POST", pathOf(query), { body: JSON.stringify(body), headers });

/** As if the run's instant had come. */
async function startNow(runId: string) {
  await api.store.pool.query("UPDATE task_runs_open SET available_at = statement_timestamp() WHERE id = $1", [
    runId,
  ]);
  return await api.start(runId);
}

const inputOf = async (runId: string) => ((await startNow(runId)).spec as { input?: Json }).input;

test("debounced calls are answered with one run, and say who joined", async () => {
  const tenant = await newTenantWithFunction();
  const first = await call(tenant, { debounce: DEBOUNCE }, { version: 1 });
  const { runId } = first.body;
  assert.deepEqual([first.status, first.body], [202, { runId, joined: false }]);
  assert.equal(first.headers.get("location"), `/v1/runs/${runId}`);
  const second = await call(tenant, { debounce: DEBOUNCE, maxAttempts: 4 }, { version: 2 });
  assert.deepEqual([second.status, second.body], [202, { runId, joined: true }]);
  const other = await call(tenant, { debounce: { ...DEBOUNCE, key: "other" } }, { version: 3 });
  assert.notEqual(other.body.runId, runId);
  const { body: shown } = await tenant.call("GET", `/v1/runs/${runId}`);
  assert.equal(shown.state, "queued");
  assert.equal(shown.waitingFor, undefined);
  assert.ok(Date.parse(shown.scheduledFor) > Date.now() + 50_000, "it shows its instant");
  const run = await startNow(runId);
  assert.deepEqual(run.spec, { type: "function", function: "greet", input: { version: 2 } });
  assert.equal(run.policy.retry.maxAttempts, 4, "all that the last call says holds");
});

test("collected calls are one run with the list of their inputs, which is due once it is full", async () => {
  const tenant = await newTenantWithFunction();
  const answers = [];
  for (const input of [{ of: 1 }, null, [3]]) answers.push(await call(tenant, { collect: COLLECT }, input));
  const { runId } = answers[0]!.body;
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body]),
    [false, true, true].map((joined) => [202, { runId, joined }]),
  );
  await api.bells.waitFor((bell) => bell.runId === runId);
  const run = await api.start(runId);
  assert.deepEqual((run.spec as { input?: Json }).input, [{ of: 1 }, null, [3]]);
  const next = await call(tenant, { collect: COLLECT }, 4);
  assert.notEqual(next.body.runId, runId);
});

test("calls that say something else are collected apart", async () => {
  const tenant = await newTenantWithFunction();
  await tenant.call("PUT", "/v1/queues/mail", { body: { concurrency: 5 } });
  const ids = new Set<string>();
  const queries: Record<string, Json>[] = [
    {},
    { queue: "mail" },
    { queue: "mail", concurrencyKey: "customer-7" },
    { maxAttempts: 3 },
    { revision: "1" },
  ];
  for (const query of queries) {
    const { body } = await call(tenant, { ...query, collect: COLLECT }, 1);
    assert.equal(body.joined, false, JSON.stringify(query));
    ids.add(body.runId);
    assert.equal((await call(tenant, { ...query, collect: COLLECT }, 2)).body.runId, body.runId);
  }
  assert.equal(ids.size, queries.length);
});

test("of many calls at once each is in the run that it was told of, and in no other", async () => {
  const tenant = await newTenantWithFunction();
  const collect = { size: 25, wait: "1m" };
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => call(tenant, { collect }, index)),
  );
  const byRun = Map.groupBy(answers.entries(), ([, { body }]) => body.runId as string);
  assert.deepEqual([...byRun.values()].map(({ length }) => length).toSorted(), [10, 25, 25]);
  for (const [runId, joined] of byRun)
    assert.deepEqual(
      ((await inputOf(runId)) as number[]).toSorted((a, b) => a - b),
      joined.map(([index]) => index),
    );
});

test("nothing crosses a namespace", async () => {
  const [one, other] = [await newTenantWithFunction(), await newTenantWithFunction()];
  const first = await call(one, { debounce: DEBOUNCE }, "one");
  const second = await call(other, { debounce: DEBOUNCE }, "other");
  assert.equal(second.body.joined, false);
  assert.equal(await inputOf(first.body.runId), "one");
});

test("a request that is sent again adds nothing, and is answered as the first one", async () => {
  const tenant = await newTenantWithFunction();
  const first = await call(tenant, { collect: COLLECT }, 1);
  const headers = { ...ASYNC, "idempotency-key": "order-7" };
  const second = await call(tenant, { collect: COLLECT }, 2, headers);
  const again = await call(tenant, { collect: COLLECT }, 2, headers);
  assert.deepEqual(second.body, { runId: first.body.runId, joined: true });
  assert.deepEqual([again.status, again.body], [202, second.body]);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assertProblem(await call(tenant, { collect: COLLECT }, 3, headers), 422, "idempotency_key_reused");
  assert.deepEqual(await inputOf(first.body.runId), [1, 2]);
});

test("of many requests with keys that join at one place, one waits in the database", async () => {
  const tenant = await newTenantWithFunction();
  await call(tenant, { debounce: DEBOUNCE }, 0);
  const answers = await inTransaction(api.store.pool, async ({ pool }) => {
    await pool.query("SELECT FROM joinable_runs FOR UPDATE");
    const calls = Array.from({ length: 20 }, (_, index) =>
      call(tenant, { debounce: DEBOUNCE }, index, { ...ASYNC, "idempotency-key": `key-${index}` }),
    );
    await untilBlocked(api.store);
    const { status } = await tenant.call("GET", "/v1/functions/greet");
    assert.equal(status, 200);
    const { rowCount } = await api.store.pool.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    assert.equal(rowCount, 1);
    return { all: Promise.all(calls) };
  });
  const all = await answers.all;
  assert.deepEqual(new Set(all.map(({ status }) => status)), new Set([202]));
  assert.equal(new Set(all.map(({ body }) => body.runId)).size, 1);
});

test("a run that waits for calls can be cancelled, and replayed with its whole input", async () => {
  const tenant = await newTenantWithFunction();
  const { body } = await call(tenant, { collect: COLLECT }, 1);
  await call(tenant, { collect: COLLECT }, 2);
  const { body: cancelled } = await tenant.call("POST", `/v1/runs/${body.runId}/cancel`);
  assert.equal(cancelled.state, "cancelled");
  const next = await call(tenant, { collect: COLLECT }, 3);
  assert.equal(next.body.joined, false);
  const { body: replay } = await tenant.call("POST", `/v1/runs/${body.runId}/replay`);
  assert.deepEqual(await inputOf(replay.id), [1, 2]);
});

test("what is wrong is refused by its field, and makes nothing", async () => {
  const tenant = await newTenantWithFunction();
  const rows = await api.countRows();
  const cases: [Record<string, Json>, field: string, Record<string, string>?][] = [
    [{ debounce: DEBOUNCE, collect: COLLECT }, "collect"],
    [{ debounce: DEBOUNCE }, "debounce", {}],
    [{ collect: COLLECT }, "collect", {}],
    [{ debounce: "soon" }, "debounce"],
    [{ debounce: "[1]" }, "debounce"],
    [{ debounce: { wait: "5s" } }, "debounce.key"],
    [{ debounce: { key: "", wait: "5s" } }, "debounce.key"],
    [{ debounce: { key: "x".repeat(129), wait: "5s" } }, "debounce.key"],
    [{ debounce: { key: "k" } }, "debounce.wait"],
    [{ debounce: { key: "k", wait: "8d" } }, "debounce.wait"],
    [{ debounce: { key: "k", wait: "1ms" } }, "debounce.wait"],
    [{ debounce: { key: "k", wait: 5 } }, "debounce.wait"],
    [{ debounce: { key: "k", wait: "5s", max: "1s" } }, "debounce.max"],
    [{ debounce: { key: "k", wait: "5s", max: "8d" } }, "debounce.max"],
    [{ debounce: { key: "k", wait: "5s", size: 1 } }, "debounce.size"],
    [{ collect: { wait: "1s" } }, "collect.size"],
    [{ collect: { size: 0, wait: "1s" } }, "collect.size"],
    [{ collect: { size: 1_001, wait: "1s" } }, "collect.size"],
    [{ collect: { size: 1.5, wait: "1s" } }, "collect.size"],
    [{ collect: { size: 10 } }, "collect.wait"],
    [{ collect: { size: 10, wait: "8d" } }, "collect.wait"],
    [{ collect: { size: 10, wait: "1s", key: "k" } }, "collect.key"],
  ];
  for (const [query, field, headers] of cases)
    assertProblem(await call(tenant, query, 1, headers), 422, "invalid_input", [field]);
  assert.deepEqual(await api.countRows(), rows);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { longestWaitOfManyMs } from "../../core/store/tasks/create.ts";
import { until, untilBlocked } from "../../core/store/testing/test-store.ts";
import { LONGEST_WAIT_MS } from "../http/shed-load.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

const HTTP = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };

const create = (caller: TestCaller, items: Json, headers = {}) =>
  caller.call("POST", "/v1/tasks/batch", { body: { items }, headers });

const countTasks = async (caller: TestCaller): Promise<number> =>
  (await caller.call("GET", "/v1/tasks?limit=200")).body.items.length;

test("each item is made as POST /v1/tasks makes it, in their order, and one that is refused stops no other", async () => {
  const tenant = await api.newTenant();
  const { status, body } = await create(tenant, [
    { ...HTTP, name: "first" },
    { type: "http", url: "https://example.com/", schedule: { cron: "0 0 30 2 *" } },
    { type: "function", function: "nowhere" },
    7,
    { ...HTTP, name: "\u0000" },
    { type: "http", url: "https://example.com/", name: "at once" },
  ]);
  assert.equal(status, 200);
  const told = body.items.map(({ status, task, problem }: Record<string, Record<string, unknown>>) => [
    status,
    task?.name ?? problem?.code,
  ]);
  assert.deepEqual(told, [
    [201, "first"],
    [422, "invalid_input"],
    [422, "unknown_function"],
    [422, "invalid_input"],
    [422, "invalid_input"],
    [201, "at once"],
  ]);
  assert.equal(body.items[1].problem.errors[0].field, "schedule.cron");
  const { runId, id } = body.items[5].task;
  assert.deepEqual((await tenant.call("GET", `/v1/runs/${runId}`)).body.taskId, id);
  await api.bells.waitFor((bell) => bell.runId === runId);
  assert.equal(await countTasks(tenant), 2);
  const { body: shown } = await tenant.call("GET", `/v1/tasks/${body.items[0].task.id}`);
  assert.deepEqual(shown, body.items[0].task);
});

test("an http task's body is kept as it was written, of each item its own", async () => {
  const tenant = await api.newTenant();
  const text =
    '{"items": [ {"type":"http","url":"https://example.com/a","method":"POST","body": {"n": 1.0, "s": "],["} } , {"type":"http","url":"https://example.com/b","method":"POST","body":[2.50]} ]}';
  const response = await tenant.request("POST", "/v1/tasks/batch", { body: text });
  const answered = await response.text();
  assert.equal(response.status, 200);
  assert.ok(answered.includes('"body":{"n": 1.0, "s": "],["}'), answered);
  assert.ok(answered.includes('"body":[2.50]'), answered);
});

test("a thousand items are taken; one more, none, and what is no batch are refused whole", async () => {
  const tenant = await api.newTenant();
  const { status, body } = await create(tenant, Array<Json>(1_000).fill(HTTP));
  assert.equal(status, 200);
  assert.ok(body.items.every((item: { status: number }) => item.status === 201));
  assert.equal(new Set(body.items.map(({ task }: { task: { id: string } }) => task.id)).size, 1_000);
  const before = await api.countRows();
  const many = await create(tenant, Array<Json>(1_001).fill(HTTP));
  assertProblem(many, 422, "invalid_input");
  assert.match(many.body.detail, /items: must hold 1 to 1000 tasks/);
  assertProblem(await create(tenant, []), 422, "invalid_input");
  const other = await tenant.call("POST", "/v1/tasks/batch", { body: { items: [HTTP], dryRun: true } });
  assertProblem(other, 422, "invalid_input");
  assert.equal(other.body.errors[0].field, "dryRun");
  assert.deepEqual(await api.countRows(), before);
});

test("batches that wait for a row that somebody holds keep another batch out, and nobody else", async (t) => {
  const [held, free] = [await api.newTenant(), await api.newTenant()];
  const holder = await api.store.pool.connect();
  await holder.query("BEGIN");
  await holder.query("SELECT FROM namespaces WHERE id = $1 FOR UPDATE", [held.namespaceId]);
  const items = Array<Json>(11).fill(HTTP);
  const waiting = [create(held, items)];
  await untilBlocked(api.store);
  waiting.push(create(held, items));
  await untilBlocked(api.store, 2);
  waiting.push(create(held, items));
  await until(async () => longestWaitOfManyMs() > 0 || undefined);
  const now = performance.now.bind(performance);
  const later = t.mock.method(performance, "now", () => now() + LONGEST_WAIT_MS + 1);
  assert.equal((await free.call("POST", "/v1/tasks", { body: HTTP })).status, 201);
  assert.equal((await create(free, items.slice(1))).body.items[0].status, 201);
  const refused = await create(free, items);
  assertProblem(refused, 503, "overloaded");
  assert.equal(refused.headers.get("retry-after"), "2");
  later.mock.restore();
  await holder.query("COMMIT");
  holder.release();
  for (const { body } of await Promise.all(waiting)) assert.equal(body.items[10].status, 201);
  assert.equal((await create(free, items)).status, 200);
});

test("a batch that is sent again under its key makes nothing, and is answered the same; another one is refused", async () => {
  const tenant = await api.newTenant();
  const items = [HTTP, { type: "function", function: "greet" }, HTTP];
  const headers = { "idempotency-key": "nightly" };
  const first = await create(tenant, items, headers);
  assert.deepEqual(
    first.body.items.map(({ status }: { status: number }) => status),
    [201, 422, 201],
  );
  assert.equal(first.headers.get("idempotency-replayed"), null);
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const again = await create(tenant, items, headers);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.deepEqual(again.body, first.body);
  assert.equal(await countTasks(tenant), 2);
  assertProblem(await create(tenant, [HTTP], headers), 422, "idempotency_key_reused");
  const stranger = await api.newTenant();
  assert.equal((await create(stranger, [HTTP], headers)).body.items[0].status, 201);
});

test("a key that may not write makes no batch", async () => {
  const { namespaceId } = await api.newTenant();
  assertProblem(await create(await api.newCaller(namespaceId, ["read", "invoke"]), [HTTP]), 403, "forbidden");
});

test("batches of the same under keys, in opposite orders, wait for each other and make each task once", async () => {
  const tenant = await api.newTenant();
  const items = Array.from({ length: 10 }, (_, index) => ({
    ...HTTP,
    name: `n${index}`,
    dedup: { window: "10m" },
  }));
  const keyed = Array.from({ length: 10 }, (_, index) => ({ ...HTTP, key: `k${index}` }));
  for (const given of [items, keyed]) {
    const answers = await Promise.all(
      [given, given.toReversed()].map((ordered, index) =>
        tenant.call("POST", "/v1/tasks/batch", {
          body: { items: ordered },
          headers: { "idempotency-key": `batch-${given === items}-${index}` },
        }),
      ),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    );
    const statuses = answers.flatMap(({ body }) => body.items.map((item: { status: number }) => item.status));
    const other = given === items ? 200 : 409;
    assert.equal(statuses.filter((status) => status === 201).length, 10);
    assert.equal(statuses.filter((status) => status === other).length, 10);
    // Each answer is in its batch's own order.
    assert.deepEqual(
      answers.map(({ body }) =>
        body.items.every((item: { status: number }) => item.status === body.items[0].status),
      ),
      [true, true],
    );
  }
});

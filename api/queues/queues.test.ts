/** Queues over HTTP: made, changed, paused and deleted; tasks and calls that name them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Json } from "../../core/json.ts";
import { claimDueRuns, claimRuns } from "../../core/store/runs/claim.ts";
import { makeWorker } from "../../core/store/testing/samples.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const TASK = { type: "http", url: "https://example.com/" };
const EMPTY = {
  ...{ concurrency: null, rate: null, perKey: null, restOn429: false, paused: false, pausedUntil: null },
  ...{ running: 0, waiting: 0, oldestWaitingAt: null },
  waitingFor: { concurrency: 0, rate: 0, paused: 0, slot: 0 },
};

test("a queue is made, read, changed, listed beside default, and deleted", async () => {
  const tenant = await api.newTenant();
  const limits = {
    concurrency: 5,
    rate: { limit: 10, per: "1s", burst: 20 },
    perKey: { concurrency: 1, rate: { limit: 1, per: "1m", burst: null } },
    restOn429: true,
  };
  const made = await tenant.call("PUT", "/v1/queues/mail", { body: limits });
  assert.deepEqual([made.status, made.body], [201, { ...EMPTY, name: "mail", ...limits }]);
  assert.deepEqual((await tenant.call("GET", "/v1/queues/mail")).body, made.body);
  const changed = await tenant.call("PUT", "/v1/queues/mail", { body: { concurrency: 2 } });
  assert.deepEqual([changed.status, changed.body], [200, { ...EMPTY, name: "mail", concurrency: 2 }]);
  const { body } = await tenant.call("GET", "/v1/queues");
  assert.deepEqual(body, { items: [{ ...EMPTY, name: "default" }, changed.body], nextCursor: null });
  assert.equal((await tenant.call("DELETE", "/v1/queues/mail")).status, 204);
  assertProblem(await tenant.call("GET", "/v1/queues/mail"), 404, "not_found");
  assertProblem(await tenant.call("DELETE", "/v1/queues/mail"), 404, "not_found");
  assertProblem(await tenant.call("DELETE", "/v1/queues/default"), 409, "queue_in_use");
});

test("it is one namespace's, and who may only read does not change it", async () => {
  const [one, other] = [await api.newTenant(), await api.newTenant()];
  await one.call("PUT", "/v1/queues/mail", { body: {} });
  assertProblem(await other.call("GET", "/v1/queues/mail"), 404, "not_found");
  assertProblem(
    await other.call("POST", "/v1/tasks", { body: { ...TASK, queue: "mail" } }),
    422,
    "unknown_queue",
    ["queue"],
  );
});

test("what is wrong with a queue is said, and changes nothing", async () => {
  const tenant = await api.newTenant();
  for (const [body, field] of [
    [{ concurrency: 0 }, "concurrency"],
    [{ perKey: { concurrency: 1.5 } }, "perKey.concurrency"],
    [{ limit: 1 }, "limit"],
    [{ paused: false, pausedUntil: "2999-01-01T00:00:00Z" }, "pausedUntil"],
  ] as const)
    assertProblem(await tenant.call("PUT", "/v1/queues/mail", { body }), 422, "invalid_input", [field]);
  assertProblem(await tenant.call("PUT", "/v1/queues/Mail", { body: {} }), 422, "invalid_input", ["name"]);
  const past = { until: "2020-01-01T00:00:00Z" };
  assertProblem(await tenant.call("POST", "/v1/queues/default/pause", { body: past }), 422, "invalid_input", [
    "until",
  ]);
  const pausedUntil = past.until;
  assertProblem(
    await tenant.call("PUT", "/v1/queues/mail", { body: { pausedUntil } }),
    422,
    "invalid_input",
    ["pausedUntil"],
  );
  assertProblem(await tenant.call("POST", "/v1/queues/mail/pause", {}), 404, "not_found");
  assertProblem(await tenant.call("GET", "/v1/queues/mail"), 404, "not_found");
});

test("a PUT says the pause, too: null takes its end away, and what is left out leaves it", async () => {
  const tenant = await api.newTenant();
  const put = async (body: object, name = "mail") => {
    const { body: queue } = await tenant.call("PUT", `/v1/queues/${name}`, { body: body as Json });
    return [queue.paused, queue.pausedUntil];
  };
  const pausedUntil = "2999-01-01T00:00:00.000Z";
  assert.deepEqual(await put({ pausedUntil: null }), [false, null]);
  assert.deepEqual(await put({ pausedUntil }), [true, pausedUntil]);
  assert.deepEqual(await put({ concurrency: 1 }), [true, pausedUntil]);
  assert.deepEqual(await put({ pausedUntil: null }), [true, null]);
  assert.deepEqual(await put({ paused: false }), [false, null]);
  assert.deepEqual(await put({ paused: true, pausedUntil: null }), [true, null]);
});

test("a pause that ends by itself is no part of what a queue is; one without an end is", async () => {
  const tenant = await api.newTenant();
  const path = "/v1/queues/mail";
  const tagged = async (method: "PUT" | "POST", at: string, body: Json, headers = {}) => {
    const answer = await tenant.call(method, at, { body, headers });
    return { status: answer.status, tag: answer.headers.get("etag")! };
  };
  const { tag: open } = await tagged("PUT", path, {});
  const { tag: resting } = await tagged("POST", `${path}/pause`, { until: "2999-01-01T00:00:00.000Z" });
  assert.notEqual(resting, open);
  const seen = await tenant.call("GET", path, { headers: { "if-none-match": open } });
  assert.equal(seen.status, 200);
  assert.equal((await tenant.call("POST", `${path}/resume`)).status, 200);
  const { status, tag } = await tagged("PUT", path, { concurrency: 2 }, { "if-match": resting });
  assert.equal(status, 200);
  assert.equal((await tagged("POST", `${path}/pause`, {})).status, 200);
  assert.equal((await tagged("PUT", path, {}, { "if-match": tag })).status, 412);
});

test("default is there before anybody says anything of it", async () => {
  const tenant = await api.newTenant();
  assert.equal((await tenant.call("GET", "/v1/queues/default")).status, 200);
  assert.equal((await tenant.call("PUT", "/v1/queues/default", { body: {} })).status, 200);
});

test("the audit log shows a pause as the queue does", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/queues/mail", { body: {} });
  const until = "2999-01-01T00:00:00.000Z";
  await tenant.call("POST", "/v1/queues/mail/pause", { body: { until } });
  await tenant.call("POST", "/v1/queues/mail/pause");
  await tenant.call("POST", "/v1/queues/mail/resume");
  const { items } = (await tenant.call("GET", "/v1/audit?resource=queues/mail")).body;
  assert.deepEqual(
    items.slice(0, 3).map(({ before, after }: { before: Json; after: Json }) => [before, after]),
    [
      [{ paused: true }, { paused: false }],
      [{ pausedUntil: until }, { pausedUntil: null }],
      [
        { paused: false, pausedUntil: null },
        { paused: true, pausedUntil: until },
      ],
    ],
  );
});

test("a queue that something names is not deleted", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/queues/mail", { body: {} });
  const { body } = await tenant.call("POST", "/v1/tasks", {
    body: { ...TASK, queue: "mail", schedule: { every: "1h" } },
  });
  assert.deepEqual([body.queue, body.concurrencyKey], ["mail", null]);
  assertProblem(await tenant.call("DELETE", "/v1/queues/mail"), 409, "queue_in_use");
  await tenant.call("DELETE", `/v1/tasks/${body.id}`);
  const task = await tenant.call("POST", "/v1/tasks", {
    body: { ...TASK, queue: "mail", retry: { maxAttempts: 1 } },
  });
  await api.work(task.body.runId, { state: "dead", error: { code: "http_status", message: "no" } });
  const refused = await tenant.call("DELETE", "/v1/queues/mail");
  assertProblem(refused, 409, "queue_in_use");
  assert.match(refused.body.detail, new RegExp(`the dead letter ${task.body.runId} is in it`));
  await tenant.call("DELETE", `/v1/dead-letters/${task.body.runId}`);
  assert.equal((await tenant.call("DELETE", "/v1/queues/mail")).status, 204);
});

describe("tasks and calls in a queue", () => {
  test("wait for its limit, and lists find them by it", async () => {
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/queues/mail", { body: { concurrency: 1 } });
    await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1" } });
    const task = await tenant.call("POST", "/v1/tasks", { body: { ...TASK, queue: "mail" } });
    await tenant.call("POST", "/v1/tasks", { body: TASK });
    const call = await tenant.call("POST", "/v1/functions/f/invoke?queue=mail&concurrencyKey=ada", {
      body: {},
      headers: { prefer: "respond-async" },
    });
    await claimDueRuns(api.store, await makeWorker(api.store.db), 10, 0);
    const { body } = await tenant.call("GET", `/v1/runs/${call.body.runId}`);
    assert.deepEqual([body.state, body.queue, body.waitingFor], ["queued", "mail", "concurrency"]);
    const queue = await tenant.call("GET", "/v1/queues/mail");
    assert.deepEqual([queue.body.running, queue.body.waiting, queue.body.waitingFor.concurrency], [1, 1, 1]);
    const idsIn = async (path: string) =>
      (await tenant.call("GET", path)).body.items.map((item: { id: string }) => item.id);
    assert.deepEqual(await idsIn("/v1/tasks?queue=mail"), [task.body.id]);
    assert.equal((await idsIn("/v1/tasks?queue=default")).length, 1);
    assert.equal((await idsIn("/v1/runs?queue=mail")).length, 2);
    assert.equal((await idsIn("/v1/runs?queue=default")).length, 1);
  });

  test("have the priority that they name, 50 where they name none, and replays and changes keep it", async () => {
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1" } });
    const post = (path: string, body: Json = {}) =>
      tenant.call("POST", path, { body, headers: { prefer: "respond-async" } });
    const priorityOf = async (runId: string) => (await tenant.call("GET", `/v1/runs/${runId}`)).body.priority;
    const call = await post("/v1/functions/f/invoke?priority=80");
    assert.equal(await priorityOf(call.body.runId), 80);
    assert.equal(await priorityOf((await post("/v1/functions/f/invoke")).body.runId), 50);
    await post(`/v1/runs/${call.body.runId}/cancel`);
    assert.equal(await priorityOf(call.body.runId), 80);
    const replay = await post(`/v1/runs/${call.body.runId}/replay`);
    assert.equal(replay.body.priority, 80);
    const task = await post("/v1/tasks", { ...TASK, priority: 7 });
    assert.equal(task.body.priority, 7);
    const again = await post(`/v1/tasks/${task.body.id}/run`);
    assert.deepEqual([await priorityOf(task.body.runId), await priorityOf(again.body.id)], [7, 7]);
    await tenant.call("PATCH", `/v1/tasks/${task.body.id}`, { body: { priority: 9 } });
    assert.deepEqual([await priorityOf(task.body.runId), await priorityOf(again.body.id)], [9, 9]);
    for (const wrong of ["101", "-1", "1.5", "", "high"])
      assertProblem(await post(`/v1/functions/f/invoke?priority=${wrong}`), 422, "invalid_input", [
        "priority",
      ]);
  });

  test("a call that names a queue that is not there is refused", async () => {
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1" } });
    const call = await tenant.call("POST", "/v1/functions/f/invoke?queue=mail", { body: {} });
    assertProblem(call, 422, "unknown_queue", ["queue"]);
  });

  test("run nothing any more in a queue that was deleted after they were over", async () => {
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/queues/gone", { body: {} });
    await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1" } });
    const { body: task } = await tenant.call("POST", "/v1/tasks", { body: { ...TASK, queue: "gone" } });
    const collect = { size: 2, wait: "1h" };
    const { body: joining } = await tenant.call("POST", "/v1/tasks", {
      body: { type: "function", function: "f", queue: "gone", collect, schedule: { delay: "1h" } },
    });
    await tenant.call("POST", `/v1/tasks/${joining.id}/pause`);
    const { body: call } = await tenant.call("POST", "/v1/functions/f/invoke?queue=gone", {
      ...{ body: {}, headers: { prefer: "respond-async" } },
    });
    for (const runId of [task.runId, call.runId]) await api.work(runId, { state: "succeeded", result: null });
    await api.db
      .updateTable("tasks")
      .set({ state: "completed", next_run_at: null, paused_at: null, paused_reason: null })
      .where("id", "=", joining.id)
      .execute();
    assert.equal((await tenant.call("DELETE", "/v1/queues/gone")).status, 204);
    for (const path of [`tasks/${task.id}/run`, `tasks/${joining.id}/run`])
      assertProblem(await tenant.call("POST", `/v1/${path}`), 422, "unknown_queue");
    for (const runId of [task.runId, call.runId])
      assertProblem(await tenant.call("POST", `/v1/runs/${runId}/replay`), 422, "unknown_queue");
    const patch = (body: object) => tenant.call("PATCH", `/v1/tasks/${task.id}`, { body: body as Json });
    assert.deepEqual((await patch({ name: "renamed" })).body.name, "renamed");
    assertProblem(await patch({ schedule: { every: "1h" } }), 422, "unknown_queue", ["queue"]);
    assert.equal((await patch({ queue: null })).status, 200);
    assert.equal((await tenant.call("POST", `/v1/tasks/${task.id}/run`)).status, 202);
  });

  test("a replay of a call stands where the call stood", async () => {
    const tenant = await api.newTenant();
    await tenant.call("PUT", "/v1/queues/mail", { body: { perKey: { concurrency: 1 } } });
    await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1" } });
    const path = "/v1/functions/f/invoke?queue=mail&concurrencyKey=ada";
    const { body: first } = await tenant.call("POST", path, {
      body: {},
      headers: { prefer: "respond-async" },
    });
    await tenant.call("POST", `/v1/runs/${first.runId}/cancel`);
    const replay = await tenant.call("POST", `/v1/runs/${first.runId}/replay`, { body: { input: {} } });
    const { body: second } = await tenant.call("POST", path, {
      body: {},
      headers: { prefer: "respond-async" },
    });
    const workerId = await makeWorker(api.store.db);
    const claimed = await claimRuns(api.store, workerId, [replay.body.runId ?? replay.body.id, second.runId]);
    assert.equal(claimed.length, 1);
  });
});

test("a paused queue starts none until it is resumed: default as any other", async () => {
  const tenant = await api.newTenant();
  const workerId = await makeWorker(api.store.db);
  await tenant.call("PUT", "/v1/functions/f", { body: { source: "export default () => 1" } });
  const paused = await tenant.call("POST", "/v1/queues/default/pause", {
    body: { until: "2999-01-01T00:00:00Z" },
  });
  assert.deepEqual([paused.body.paused, paused.body.pausedUntil], [true, "2999-01-01T00:00:00.000Z"]);
  const { body } = await tenant.call("POST", "/v1/tasks", { body: TASK });
  const runIds = (await tenant.call("GET", `/v1/tasks/${body.id}/runs`)).body.items.map(
    ({ id }: { id: string }) => id,
  );
  assert.deepEqual(await claimRuns(api.store, workerId, runIds), []);
  assert.equal((await tenant.call("GET", `/v1/runs/${runIds[0]}`)).body.waitingFor, "paused");
  const resumed = await tenant.call("POST", "/v1/queues/default/resume");
  assert.deepEqual([resumed.body.paused, resumed.body.pausedUntil], [false, null]);
  assert.deepEqual(
    (await claimRuns(api.store, workerId, runIds)).map(({ id }) => id),
    runIds,
  );
});

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { finishAttempts } from "../../core/store/runs/finish.ts";
import { finished, line, retryAfter, SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { untilBlocked } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

async function makeRun() {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/", schedule: { every: "1h" } },
  });
  const { body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  return { tenant, task, run, path: `/v1/runs/${run.id}` };
}

test("a run is read through its life: queued, running, waiting for its retry, ended", async () => {
  const { tenant, task, run, path } = await makeRun();
  const queued = (await tenant.call("GET", path)).body;
  assert.deepEqual(queued, { ...run, input: null });
  assert.deepEqual(
    [
      queued.state,
      queued.taskId,
      queued.attempt,
      queued.startedAt,
      queued.finishedAt,
      queued.result,
      queued.attempts,
    ],
    ["queued", task.id, 1, null, null, null, []],
  );

  const claimed = await api.start(run.id);
  const running = (await tenant.call("GET", path)).body;
  assert.deepEqual([running.state, running.startedAt], ["running", claimed.startedAt.toISOString()]);
  assert.ok(running.workerId);

  const verdict = retryAfter(60_000);
  await api.finish(claimed, verdict);
  const waiting = (await tenant.call("GET", path)).body;
  assert.deepEqual([waiting.state, waiting.attempt, waiting.error], ["scheduled", 2, SAMPLE_ERROR]);
  assert.ok("availableAt" in verdict);
  assert.equal(waiting.nextAttemptAt, verdict.availableAt.toISOString());
  assert.deepEqual(
    waiting.attempts.map(({ attempt, error }: { attempt: number; error: unknown }) => [attempt, error]),
    [[1, SAMPLE_ERROR]],
  );
});

test("until its worker has said what may be seen of it, a call shows no input, or a request's method and URL", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  const { body: hook } = await tenant.call("POST", "/v1/functions/greet/hooks", { body: {} });
  const headers = { prefer: "respond-async", "x-signature": "abc" };
  const inputOf = async (runId: string) => (await tenant.call("GET", `/v1/runs/${runId}`)).body.input;
  const { body: invoked } = await tenant.call("POST", "/v1/functions/greet/invoke", {
    body: { a: 1 },
    headers,
  });
  const { body: hooked } = await api.anonymous.call("POST", `${hook.url}?a=b`, { body: "secret", headers });
  const shown = { request: { method: "POST", url: (await inputOf(hooked.runId)).request.url } };
  assert.match(shown.request.url, /^http:.*\?a=b$/);
  // The same where the run ends without a word of it, as by a worker of the release before or by a cancel.
  for (const end of [
    async () => {},
    () => api.work(invoked.runId, { state: "succeeded", result: null }),
    () => tenant.call("POST", `/v1/runs/${hooked.runId}/cancel`),
  ]) {
    await end();
    assert.equal(await inputOf(invoked.runId), null);
    assert.deepEqual(await inputOf(hooked.runId), shown);
  }
});

test("a run that succeeded shows its result and each attempt", async () => {
  const { tenant, run, path } = await makeRun();
  await api.work(run.id, { state: "succeeded", result: { status: 200, body: "hi" } });
  const { status, body } = await tenant.call("GET", path);
  assert.equal(status, 200);
  assert.deepEqual(
    [body.state, body.result, body.error, body.nextAttemptAt],
    ["succeeded", { status: 200, body: "hi" }, null, null],
  );
  assert.ok(body.finishedAt >= body.startedAt);
  assert.equal(body.attempts.length, 1);
  assert.equal(body.attempts[0].error, null);
});

test("the list holds open and ended runs of the namespace, newest first, in pages", async () => {
  const { tenant, task, run } = await makeRun();
  const ids = [run.id];
  for (let count = 0; count < 4; count += 1)
    ids.push((await tenant.call("POST", `/v1/tasks/${task.id}/run`)).body.id);
  await api.work(ids[1]!, { state: "succeeded", result: null });
  await api.work(ids[3]!, { state: "failed", error: SAMPLE_ERROR });
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { body }: { body: { items: { id: string }[]; nextCursor: string | null } } = await tenant.call(
      "GET",
      `/v1/runs?limit=2${cursor && `&cursor=${cursor}`}`,
    );
    seen.push(...body.items.map(({ id }) => id));
    cursor = body.nextCursor;
  }
  assert.deepEqual(seen, ids.toReversed());
});

test("a run's log is read oldest first, in pages", async () => {
  const { tenant, run, path } = await makeRun();
  assert.deepEqual((await tenant.call("GET", `${path}/logs`)).body, { items: [], nextCursor: null });
  const at = new Date();
  const lines = ["one", "two", "three"].map((message) => line(message, { at, fields: { of: message } }));
  await api.work(run.id, { state: "succeeded", result: null }, lines);
  const { body: first } = await tenant.call("GET", `${path}/logs?limit=2`);
  const { id, ...oldest } = first.items[0];
  assert.equal(typeof id, "string");
  assert.deepEqual(oldest, {
    at: at.toISOString(),
    level: "info",
    message: "one",
    fields: { of: "one" },
    runId: run.id,
    revision: null,
    attempt: 1,
  });
  const { body: rest } = await tenant.call("GET", `${path}/logs?limit=2&cursor=${first.nextCursor}`);
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ message }: { message: string }) => message),
    ["one", "two", "three"],
  );
  assert.equal(rest.nextCursor, null);
});

test("cancelling what waits ends it at once", async () => {
  const { tenant, run, path } = await makeRun();
  const { status, body } = await tenant.call("POST", `${path}/cancel`);
  assert.deepEqual([status, body.state, body.id], [200, "cancelled", run.id]);
  assert.ok(body.finishedAt);
});

test("a run's lines are found by level and text", async () => {
  const { tenant, run, path } = await makeRun();
  const lines = [line("one", { level: "debug" }), line("two", { level: "error" }), line("TWO")];
  await api.work(run.id, { state: "succeeded", result: null }, lines);
  for (const [query, messages] of [
    ["", ["one", "two", "TWO"]],
    ["?level=info", ["two", "TWO"]],
    ["?q=two&level=warn", ["two"]],
  ] as const) {
    const { body } = await tenant.call("GET", `${path}/logs${query}`);
    assert.deepEqual(
      body.items.map(({ message }: { message: string }) => message),
      messages,
    );
  }
  assertProblem(await tenant.call("GET", `${path}/logs?level=loud`), 422, "invalid_input", ["level"]);
});

test("cancelling what runs asks its worker: 202, and again 202", async () => {
  const { tenant, run, path } = await makeRun();
  const claimed = await api.start(run.id);
  for (const _time of ["once", "again"]) {
    const { status, body } = await tenant.call("POST", `${path}/cancel`);
    assert.deepEqual([status, body.state], [202, "running"]);
  }
  await api.finish(claimed, { state: "cancelled" });
  assert.equal((await tenant.call("GET", path)).body.state, "cancelled");
});

test("what has ended, or is a dead letter, cannot be cancelled: 409", async () => {
  for (const verdict of [
    { state: "succeeded", result: null },
    { state: "failed", error: SAMPLE_ERROR },
    { state: "dead", error: SAMPLE_ERROR },
  ] as const) {
    const { tenant, run, path } = await makeRun();
    await api.work(run.id, verdict);
    assertProblem(await tenant.call("POST", `${path}/cancel`), 409, "run_not_open");
    assert.equal((await tenant.call("GET", path)).body.state, verdict.state);
  }
});

test("a run that is not there is a 404 on every route", async () => {
  const tenant = await api.newTenant();
  const path = `/v1/runs/${randomUUID()}`;
  for (const [method, suffix] of [
    ["GET", ""],
    ["GET", "/logs"],
    ["POST", "/cancel"],
  ] as const) {
    assertProblem(await tenant.call(method, `${path}${suffix}`), 404, "not_found");
  }
});

test("a cancel of a run that ends at that moment says what became of it", async () => {
  const { tenant, run, path } = await makeRun();
  const claimed = await api.start(run.id);
  const { cancelling } = await inTransaction(api.store.pool, async (tx) => {
    const workerId = (await tenant.call("GET", path)).body.workerId;
    const end = finished(claimed, workerId, { state: "succeeded", result: null });
    await finishAttempts({ ...api.store, pool: tx.pool as never, plannedPool: tx.pool as never }, workerId, [
      end,
    ]);
    const cancelling = tenant.call("POST", `${path}/cancel`);
    await untilBlocked(api.store);
    return { cancelling };
  });
  const { status, body } = await cancelling;
  assert.deepEqual(
    [status, body.code, body.detail],
    [409, "run_not_open", "A succeeded run cannot be cancelled."],
  );
});

/** Calling functions; the worker's part is played by store functions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import type { RunVerdict } from "../../core/domain/retry.ts";
import type { Json } from "../../core/json.ts";
import { type CallOptions, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const INVOKE = "/v1/functions/greet/invoke";

async function newTenantWithFunction(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  const { status } = await tenant.call("PUT", "/v1/functions/greet", {
    body: { source: "export default () => null;" },
  });
  assert.equal(status, 201);
  return tenant;
}

/** Calls, and claims the run the call made as a worker would. */
async function call(tenant: TestCaller, options: CallOptions = {}) {
  const seen = api.bells.items.length;
  const answered = tenant.call("POST", INVOKE, options);
  const bells = await api.bells.waitFor(() => true, { count: seen + 1 });
  const run = await api.start(bells.at(-1)!.runId);
  return { answered, run };
}

async function answerTo(verdict: RunVerdict) {
  const tenant = await newTenantWithFunction();
  const { answered, run } = await call(tenant);
  await api.finish(run, verdict);
  return { answer: await answered, run };
}
const failedWith = (code: string): RunVerdict => ({
  state: "failed",
  error: { code, message: "it went wrong" },
});

test("a call waits for its run and answers with the result", async () => {
  const tenant = await newTenantWithFunction();
  const { answered, run } = await call(tenant, { body: { name: "Ada" } });
  assert.deepEqual(run.spec, { type: "function", function: "greet", input: { name: "Ada" } });
  await api.finish(run, { state: "succeeded", result: { hello: "Ada" } });
  const { status, headers, body } = await answered;
  assert.deepEqual([status, body], [200, { hello: "Ada" }]);
  assert.equal(headers.get("bellhop-run-id"), run.id);
  const { body: recorded } = await tenant.call("GET", `/v1/runs/${run.id}`);
  assert.deepEqual(
    [recorded.state, recorded.function, recorded.taskId, recorded.result],
    ["succeeded", "greet", null, { hello: "Ada" }],
  );
});

test("any JSON is an input, and none at all is null", async () => {
  const tenant = await newTenantWithFunction();
  for (const [body, input] of [
    [undefined, null],
    ["null", null],
    ["false", false],
    ['"text"', "text"],
    ["[1,2]", [1, 2]],
  ] as [string | undefined, Json][]) {
    const { answered, run } = await call(tenant, body === undefined ? {} : { body });
    assert.ok(run.spec.type === "function");
    assert.deepEqual(run.spec.input, input);
    await api.finish(run, { state: "succeeded", result: input });
    const { status, body: result } = await answered;
    assert.deepEqual([status, result], [200, input]);
  }
});

test("the word of the end is heard at once, not at the next look", async () => {
  const tenant = await newTenantWithFunction();
  const tookMs: number[] = [];
  for (let calls = 0; calls < 5; calls++) {
    const { answered, run } = await call(tenant);
    const started = performance.now();
    await api.finish(run, { state: "succeeded", result: null });
    await answered;
    tookMs.push(performance.now() - started);
  }
  // The row alone is looked at every second. The machine may stand still in one of them.
  assert.ok(Math.min(...tookMs) < 500, `${tookMs} ms`);
});

test("a lost bell costs a moment and no more", async () => {
  const tenant = await newTenantWithFunction();
  const { answered, run } = await call(tenant);
  await sql`UPDATE task_runs_open SET awaited = false WHERE id = ${run.id}`.execute(api.db);
  await api.finish(run, { state: "succeeded", result: "found" });
  assert.deepEqual((await answered).body, "found");
});

test("calls at the same time get each its own answer", async () => {
  const tenant = await newTenantWithFunction();
  const seen = api.bells.items.length;
  const answered = Array.from({ length: 8 }, (_, index) => tenant.call("POST", INVOKE, { body: index }));
  const bells = (await api.bells.waitFor(() => true, { count: seen + 8 })).slice(seen);
  for (const { runId } of bells.toReversed()) {
    const run = await api.start(runId);
    assert.ok(run.spec.type === "function");
    await api.finish(run, { state: "succeeded", result: { of: run.spec.input } });
  }
  assert.deepEqual(
    (await Promise.all(answered)).map(({ body }) => body),
    Array.from({ length: 8 }, (_, index) => ({ of: index })),
  );
});

for (const [code, status] of [
  ["function_error", 500],
  ["function_timeout", 504],
  ["timeout", 504],
  ["function_memory_exceeded", 507],
  ["result_too_large", 507],
  ["input_too_large", 413],
  ["function_not_found", 404],
  ["executor_killed", 503],
  ["worker_lost", 503],
  ["internal_error", 503],
] as const) {
  test(`a run that failed with ${code} is a ${status}`, async () => {
    const { answer, run } = await answerTo(failedWith(code));
    assertProblem(answer, status, code);
    assert.equal(answer.body.detail, "it went wrong");
    assert.equal(answer.headers.get("bellhop-run-id"), run.id);
  });
}

test("a run that is cancelled meanwhile is a 409", async () => {
  const tenant = await newTenantWithFunction();
  const { answered, run } = await call(tenant);
  assert.equal((await tenant.call("POST", `/v1/runs/${run.id}/cancel`)).status, 202);
  await api.finish(run, { state: "cancelled" });
  assertProblem(await answered, 409, "run_cancelled");
});

test("a call that is cancelled while it waits for a worker is a 409", async () => {
  const tenant = await newTenantWithFunction();
  const seen = api.bells.items.length;
  const answered = tenant.call("POST", INVOKE);
  const bells = await api.bells.waitFor(() => true, { count: seen + 1 });
  assert.equal((await tenant.call("POST", `/v1/runs/${bells.at(-1)!.runId}/cancel`)).status, 200);
  assertProblem(await answered, 409, "run_cancelled");
});

test("respond-async answers with the run's address and waits for nothing", async () => {
  const tenant = await newTenantWithFunction();
  for (const prefer of ["respond-async", "wait=10, Respond-Async"]) {
    const { status, headers, body } = await tenant.call("POST", INVOKE, {
      body: { a: 1 },
      headers: { prefer },
    });
    assert.equal(status, 202);
    assert.equal(headers.get("preference-applied"), "respond-async");
    assert.equal(headers.get("location"), `/v1/runs/${body.runId}`);
    assert.equal(headers.get("bellhop-run-id"), body.runId);
    await api.bells.waitFor(({ runId }) => runId === body.runId);
    const { body: queued } = await tenant.call("GET", `/v1/runs/${body.runId}`);
    assert.deepEqual([queued.state, queued.type, queued.function], ["queued", "function", "greet"]);
  }
});

test("a call that is refused makes no run", async () => {
  const tenant = await newTenantWithFunction();
  const before = await api.countRows();
  assertProblem(await tenant.call("POST", INVOKE, { body: "{" }), 400, "invalid_json");
  for (const headers of [{}, { prefer: "respond-async" }]) {
    assertProblem(await tenant.call("POST", "/v1/functions/missing/invoke", { headers }), 404, "not_found");
  }
  assert.deepEqual(await api.countRows(), before);
});

test("when the API stops, who waits is let go, and the run goes on", async () => {
  const tenant = await newTenantWithFunction();
  const { answered, run } = await call(tenant);
  api.stopServing();
  const answer = await answered;
  assertProblem(answer, 504, "run_not_finished");
  assert.equal(answer.headers.get("bellhop-run-id"), run.id);
  assert.equal((await tenant.call("GET", `/v1/runs/${run.id}`)).body.state, "running");
});

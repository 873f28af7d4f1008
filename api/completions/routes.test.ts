/** `POST /complete/{token}`: its token is all it takes, and opens one attempt. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { createCompletionTokens } from "../../core/secrets/completion-tokens.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { finishAttempts } from "../../core/store/runs/finish.ts";
import { deferred } from "../../core/store/testing/samples.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { MAX_COMPLETION_BYTES } from "./routes.ts";

const api = await openApi();
const { newTenant, anonymous, completionTokens, start, store } = api;

const tokenOf = ({ id: runId, claimNo }: ClaimedRun) => completionTokens.make({ runId, claimNo });
const post = (token: string, body: Json) => anonymous.call("POST", `/complete/${token}`, { body });

async function deferRun(tenant: TestCaller, fields: Record<string, Json> = {}): Promise<ClaimedRun> {
  const body = { type: "http", url: "https://example.com/", ...fields };
  const run = await start((await tenant.call("POST", "/v1/tasks", { body })).body.runId);
  const { rows } = await store.pool.query<{ id: string }>(
    "SELECT worker_id AS id FROM task_runs_open WHERE id = $1",
    [run.id],
  );
  const attempt = deferred(run, rows[0]!.id, new Date(Date.now() + 60_000));
  assert.equal((await finishAttempts(store, rows[0]!.id, [attempt])).recorded.size, 1);
  return run;
}

const find = async (tenant: TestCaller, run: ClaimedRun) =>
  (await tenant.call("GET", `/v1/runs/${run.id}`)).body;

test("a result completes the run, once", async () => {
  const tenant = await newTenant();
  const run = await deferRun(tenant);
  const waiting = await find(tenant, run);
  assert.deepEqual([waiting.state, waiting.attempts], ["running", []]);
  assert.ok(Date.parse(waiting.completeBy) > Date.now());
  assertProblem(await tenant.call("POST", `/v1/runs/${run.id}/replay`), 409, "run_not_finished");
  const done = await post(tokenOf(run), { result: { rows: 42 } });
  assert.deepEqual([done.status, done.body], [200, { runId: run.id, state: "succeeded" }]);
  assert.equal(done.headers.get("bellhop-run-id"), run.id);
  const ended = await find(tenant, run);
  assert.deepEqual([ended.state, ended.result], ["succeeded", { rows: 42 }]);
  assert.ok(!("completeBy" in ended));
  assertProblem(await post(tokenOf(run), { result: { rows: 42 } }), 410, "attempt_over");
  assertProblem(await post(tokenOf(run), { heartbeat: true }), 410, "attempt_over");
});

test("a failure is tried again unless it says otherwise, in the server's own words", async () => {
  const tenant = await newTenant();
  const run = await deferRun(tenant);
  const error = { message: "the file is empty", code: "empty_file", details: { line: 1 } };
  assert.equal((await post(tokenOf(run), { error })).body.state, "scheduled");
  const waiting = await find(tenant, run);
  assert.deepEqual(waiting.attempts[0].error, {
    code: "reported_failure",
    message: "the file is empty",
    details: { code: "empty_file", details: { line: 1 } },
  });
  const final = await deferRun(tenant);
  assert.equal((await post(tokenOf(final), { error: { ...error, retryable: false } })).body.state, "dead");
});

test("a heartbeat begins the wait anew", async () => {
  const tenant = await newTenant();
  const run = await deferRun(tenant, { timeout: "10m" });
  const { completeBy: before } = await find(tenant, run);
  const { status, body } = await post(tokenOf(run), { heartbeat: true });
  assert.deepEqual([status, body.runId, body.state], [200, run.id, "running"]);
  assert.ok(Date.parse(body.completeBy) > Date.parse(before));
  assert.equal((await find(tenant, run)).completeBy, body.completeBy);
});

test("an attempt may be completed before its answer is recorded", async () => {
  const tenant = await newTenant();
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/" },
  });
  const run = await start(task.runId);
  assert.deepEqual((await post(tokenOf(run), { heartbeat: true })).body, { runId: run.id, state: "running" });
  assert.equal((await post(tokenOf(run), { result: null })).body.state, "succeeded");
});

test("a token that is not Bellhop's, or of an attempt that is over, opens nothing, and is not repeated", async () => {
  const tenant = await newTenant();
  const run = await deferRun(tenant);
  const forged = createCompletionTokens([randomBytes(32)]).make({ runId: run.id, claimNo: run.claimNo });
  for (const token of [forged, "x", "bhc_", `${tokenOf(run)}/more`, `${tokenOf(run)}x`]) {
    const refused = await post(token, { result: 1 });
    assertProblem(refused, 404, "completion_token_unknown");
    assert.ok(!JSON.stringify(refused.body).includes(token.slice(0, 40)) || token.length < 10);
  }
  const other = completionTokens.make({ runId: run.id, claimNo: run.claimNo + 1 });
  assertProblem(await post(other, { result: 1 }), 410, "attempt_over");
  const cancel = await tenant.call("POST", `/v1/runs/${run.id}/cancel`);
  assert.deepEqual([cancel.status, cancel.body.state], [200, "cancelled"]);
  assertProblem(await post(tokenOf(run), { result: 1 }), 410, "attempt_over");
  assertProblem(await anonymous.call("GET", `/complete/${tokenOf(run)}`), 405, "method_not_allowed");
});

test("what says nothing of the attempt, or too much, is refused and changes nothing", async () => {
  const tenant = await newTenant();
  const run = await deferRun(tenant);
  for (const body of [
    {},
    null,
    [],
    { result: 1, heartbeat: true },
    { heartbeat: false },
    { error: "no" },
    { error: {} },
    { error: { message: "" } },
    { error: { message: "x".repeat(2_001) } },
    { error: { message: "x", code: "x".repeat(201) } },
    { error: { message: "x", retryable: "no" } },
    { result: "a\u0000b" },
    { results: 1 },
  ])
    assertProblem(await post(tokenOf(run), body as Json), 422, "invalid_input");
  const raw = (body: string) => anonymous.call("POST", `/complete/${tokenOf(run)}`, { body });
  assertProblem(await raw("{"), 400, "invalid_json");
  assertProblem(await raw(""), 400, "invalid_json");
  assertProblem(await raw(`{"result":"${"x".repeat(MAX_COMPLETION_BYTES)}"}`), 413, "body_too_large");
  assert.equal((await find(tenant, run)).state, "running");
});

test("what is recorded of it shows no secret that its task names", async () => {
  const tenant = await newTenant();
  const value = "s3cr3t-token";
  await tenant.call("PUT", "/v1/secrets/TOKEN", { body: { value } });
  const headers = { Authorization: "{{secrets.TOKEN}}" };
  const run = await deferRun(tenant, { headers });
  await post(tokenOf(run), { result: { echo: `got ${value}` } });
  assert.deepEqual((await find(tenant, run)).result, { echo: "got [redacted TOKEN]" });
  const failed = await deferRun(tenant, { headers });
  await post(tokenOf(failed), { error: { message: value, code: value, retryable: false } });
  assert.doesNotMatch(JSON.stringify(await find(tenant, failed)), /s3cr3t/);
  const plain = await deferRun(tenant);
  await post(tokenOf(plain), { result: value });
  assert.equal((await find(tenant, plain)).result, value);
});

test("the end of such a run calls whom its task says", async () => {
  const tenant = await newTenant();
  const run = await deferRun(tenant, { on: { always: [{ type: "http", url: "https://example.com/hook" }] } });
  await post(tokenOf(run), { result: 1 });
  const callbacks = async () => (await tenant.call("GET", "/v1/runs?trigger=callback")).body.items;
  const [made] = await until(async () => {
    const items = await callbacks();
    return items.length > 0 ? items : undefined;
  });
  assert.equal(made.callbackOf, run.id);
});

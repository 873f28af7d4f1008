/** Calls and hooks that may be tried more than once; the worker's and the scheduler's parts are played by store functions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_ATTEMPTS } from "../../core/contracts/retry-field.ts";
import { CALL_POLICY } from "../../core/contracts/task-policy.ts";
import { queueDueRetries } from "../../core/store/runs/queue-retries.ts";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const ASYNC = { prefer: "respond-async" };
const HOOKS = "/v1/functions/greet/hooks";

async function newTenant(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  return tenant;
}

const invoke = (tenant: TestCaller, query = "", headers = {}) =>
  tenant.call("POST", `/v1/functions/greet/invoke${query}`, { body: { a: 1 }, headers });

/** How often the run may be tried, as a worker hears it. */
async function attemptsOf(runId: string): Promise<number> {
  const { policy } = await api.start(runId);
  assert.deepEqual({ ...policy.retry, maxAttempts: 1 }, CALL_POLICY.retry);
  assert.equal(policy.deadLetter, false);
  return policy.retry.maxAttempts;
}

test("an invocation is tried once, or as often as it asks for, and so is its replay", async () => {
  const tenant = await newTenant();
  for (const [query, expected] of [
    ["", 1],
    ["?maxAttempts=1", 1],
    ["?maxAttempts=3", 3],
    [`?maxAttempts=${MAX_ATTEMPTS}`, MAX_ATTEMPTS],
  ] as const) {
    const { status, body } = await invoke(tenant, query, ASYNC);
    assert.equal(status, 202);
    assert.equal(await attemptsOf(body.runId), expected);
  }
  const { body: failed } = await invoke(tenant, "?maxAttempts=4", ASYNC);
  await api.work(failed.runId, { state: "failed", error: SAMPLE_ERROR });
  const { body: again } = await tenant.call("POST", `/v1/runs/${failed.runId}/replay`);
  assert.equal(await attemptsOf(again.id), 4);
});

test("another number is refused by its name, and nothing is made", async () => {
  const tenant = await newTenant();
  const rows = await api.countRows();
  for (const given of ["0", `${MAX_ATTEMPTS + 1}`, "-1", "1.5", "many", ""])
    for (const headers of [{}, ASYNC])
      assertProblem(await invoke(tenant, `?maxAttempts=${given}`, headers), 422, "invalid_input", [
        "maxAttempts",
      ]);
  for (const maxAttempts of [0, MAX_ATTEMPTS + 1, 1.5, "3", null])
    assertProblem(await tenant.call("POST", HOOKS, { body: { maxAttempts } }), 422, "invalid_input", [
      "maxAttempts",
    ]);
  assert.deepEqual((await tenant.call("GET", HOOKS)).body.items, []);
  assert.deepEqual(await api.countRows(), rows);
});

test("a caller who waits goes on waiting while a retry waits, and gets the last attempt's result", async () => {
  const tenant = await newTenant();
  const seen = api.bells.items.length;
  const answered = invoke(tenant, "?maxAttempts=2");
  const { runId } = (await api.bells.waitFor(() => true, { count: seen + 1 })).at(-1)!;
  const now = new Date();
  await api.work(runId, { state: "scheduled", availableAt: now, error: SAMPLE_ERROR });
  assert.equal((await tenant.call("GET", `/v1/runs/${runId}`)).body.state, "scheduled");
  await queueDueRetries(api.store, now, 10);
  const second = await api.start(runId);
  assert.deepEqual(
    [second.attempt, second.spec],
    [2, { type: "function", function: "greet", input: { a: 1 } }],
  );
  await api.finish(second, { state: "succeeded", result: "at last" });
  const { status, body } = await answered;
  assert.deepEqual([status, body], [200, "at last"]);
});

test("a hook's calls are tried once, or as often as it says", async () => {
  const tenant = await newTenant();
  const { body: once } = await tenant.call("POST", HOOKS);
  const { body: often } = await tenant.call("POST", HOOKS, { body: { maxAttempts: 5 } });
  const { body: page } = await tenant.call("GET", HOOKS);
  const shown = page.items.map(({ maxAttempts }: { maxAttempts: number }) => maxAttempts);
  assert.deepEqual([once.maxAttempts, often.maxAttempts, shown], [1, 5, [5, 1]]);
  for (const { url, maxAttempts } of [once, often]) {
    const { body } = await api.anonymous.call("POST", url);
    assert.equal(await attemptsOf(body.runId), maxAttempts);
  }
});

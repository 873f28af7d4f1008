import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { Json } from "../../core/json.ts";
import { newId } from "../../core/store/ids.ts";
import { enqueueInvocation } from "../../core/store/runs/enqueue.ts";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

const FAILED = { state: "failed", error: SAMPLE_ERROR } as const;
const SUCCEEDED = { state: "succeeded", result: 1 } as const;
const ASYNC = { prefer: "respond-async" };

const replay = (tenant: TestCaller, runId: string, body?: object, headers = {}) =>
  tenant.call("POST", `/v1/runs/${runId}/replay`, { ...(body && { body: body as never }), headers });

async function deploy(tenant: TestCaller, source = "export default () => 1;"): Promise<string> {
  const { body } = await tenant.call("PUT", "/v1/functions/greet", { body: { source } });
  return body.revision.id;
}

async function invoke(tenant: TestCaller, input: object | null, query = ""): Promise<string> {
  const { body } = await tenant.call("POST", `/v1/functions/greet/invoke${query}`, {
    ...{ body: input as never, headers: ASYNC },
  });
  return body.runId;
}

const HTTP = { type: "http", url: "https://example.com/", method: "POST" };

async function makeTask(tenant: TestCaller, spec: Record<string, Json> = HTTP) {
  const body = { schedule: { every: "1h" }, ...spec };
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body });
  const { body: run } = await tenant.call("POST", `/v1/tasks/${task.id}/run`);
  return { task, runId: run.id as string };
}

/** The spec that a worker gets. */
const specOf = async (runId: string) => (await api.start(runId)).spec;

test("a failed invocation is replayed as a new run with the same input, and the run that it replays stays", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const runId = await invoke(tenant, { a: 1 });
  await api.work(runId, FAILED);
  const before = (await tenant.call("GET", `/v1/runs/${runId}`)).body;
  const { status, body, headers } = await replay(tenant, runId);
  assert.equal(status, 202);
  assert.deepEqual([body.replayOf, body.state, body.trigger, body.taskId], [runId, "queued", "invoke", null]);
  assert.notEqual(body.id, runId);
  assert.equal(headers.get("location"), `/v1/runs/${body.id}`);
  await api.bells.waitFor((bell) => bell.runId === body.id);
  const { body: page } = await tenant.call("GET", "/v1/runs");
  assert.deepEqual(
    page.items.map(({ id, replayOf }: { id: string; replayOf: string | null }) => [id, replayOf]),
    [
      [body.id, runId],
      [runId, null],
    ],
  );
  assert.deepEqual(await specOf(body.id), { type: "function", function: "greet", input: { a: 1 } });
  assert.deepEqual((await tenant.call("GET", `/v1/runs/${runId}`)).body, before);
});

test("a hook's failed request is replayed whole, headers and body, and nobody is shown more of it than before", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const { body: hook } = await tenant.call("POST", "/v1/functions/greet/hooks", { body: {} });
  const { body: hooked } = await api.anonymous.call("POST", `${hook.url}?a=b`, {
    ...{ body: "secret", headers: { "x-signature": "abc" } },
  });
  const { spec } = await api.work(hooked.runId, FAILED);
  const { body: shown } = await tenant.call("GET", `/v1/runs/${hooked.runId}`);
  assert.deepEqual(Object.keys(shown.input.request), ["method", "url"]);
  const { body: again } = await replay(tenant, hooked.runId);
  assert.equal(again.trigger, "hook");
  assert.deepEqual((await tenant.call("GET", `/v1/runs/${again.id}`)).body.input, shown.input);
  const run = await api.start(again.id);
  assert.deepEqual(run.spec, spec);
  assert.match(JSON.stringify(spec), /c2VjcmV0.*x-signature/);
  await api.finish(run, FAILED);
  const { body: third } = await replay(tenant, again.id);
  assert.deepEqual([third.replayOf, await specOf(third.id)], [again.id, spec]);
});

test("a request is replayed with another body, as its author wrote it, and with its other headers", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const { body: hook } = await tenant.call("POST", "/v1/functions/greet/hooks", { body: {} });
  const send = async () =>
    (
      await api.anonymous.call("POST", hook.url, {
        ...{ body: "a=1", headers: { "content-type": "text/form", "content-length": "3", "x-id": "7" } },
      })
    ).body.runId as string;
  const runId = await send();
  await api.work(runId, FAILED);
  const requestOf = async (body: string) => {
    const { body: again } = await tenant.call("POST", `/v1/runs/${runId}/replay`, { body });
    const { input } = (await specOf(again.id)) as never as { input: { request: Sent } };
    const { headers, body: content } = input.request;
    const told = Object.fromEntries(headers);
    return [
      Buffer.from(content, "base64").toString(),
      told["content-type"],
      told["content-length"],
      told["x-id"],
    ];
  };
  interface Sent {
    headers: [string, string][];
    body: string;
  }
  const text = '{"order":1234567890123456789, "a":1}';
  assert.deepEqual(await requestOf(`{"input": ${text}}`), [
    text,
    "application/json",
    String(text.length),
    "7",
  ]);
  assert.deepEqual(await requestOf('{"input": "b=22"}'), ["b=22", "text/form", "4", "7"]);
  assert.deepEqual(await requestOf('{"input": null}'), ["", "text/form", "0", "7"]);
  const tooLong = await replay(tenant, runId, { input: "x".repeat(1_000_001) });
  assertProblem(tooLong, 413, "body_too_large");
  // One that succeeded keeps no more than its URL: a body can be given all the same.
  const succeeded = await send();
  await api.work(succeeded, SUCCEEDED);
  const refused = await replay(tenant, succeeded);
  assertProblem(refused, 409, "input_not_kept");
  assert.match(refused.body.detail, /pass `input`/);
  const { body: again } = await replay(tenant, succeeded, { input: { a: 1 } });
  const { input } = (await specOf(again.id)) as never as { input: { request: Sent } };
  assert.deepEqual(input.request.headers, [["content-type", "application/json"]]);
});

test("an input that is given stands in for the run's: of a function, of a task's function, of an http task", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const called = await invoke(tenant, { a: 1 });
  await api.work(called, SUCCEEDED);
  for (const input of [{ b: 2 }, null, [1]] as const) {
    const { body } = await replay(tenant, called, { input });
    assert.deepEqual(await specOf(body.id), { type: "function", function: "greet", input });
  }
  const task = { type: "function", function: "greet", input: { of: "the task" } };
  const { runId } = await makeTask(tenant, task);
  await api.work(runId, { state: "dead", error: SAMPLE_ERROR });
  for (const input of [{ b: 2 }, null] as const) {
    const { body } = await replay(tenant, runId, { input });
    assert.deepEqual(await specOf(body.id), { type: "function", function: "greet", input });
  }
  const { body: asTask } = await replay(tenant, runId);
  assert.deepEqual(((await specOf(asTask.id)) as { input?: unknown }).input, { of: "the task" });
});

test("an http task's replay sends the body that is given, to the letter, and so does its own replay", async () => {
  const tenant = await api.newTenant();
  const { runId, task } = await makeTask(tenant, { ...HTTP, body: { of: "the task" } });
  await api.work(runId, FAILED);
  const text = '{"order":1234567890123456789, "z": "a\\u0000b"}';
  const { body: first } = await tenant.call("POST", `/v1/runs/${runId}/replay`, {
    body: `{"input": ${text}}`,
  });
  assert.deepEqual([first.taskId, first.trigger, first.replayOf], [task.id, "manual", runId]);
  const textOf = (spec: unknown) => (spec as { body: { text: string } }).body.text;
  const run = await api.start(first.id);
  assert.equal(textOf(run.spec), text);
  await api.finish(run, FAILED);
  const { body: second } = await replay(tenant, first.id);
  assert.equal(textOf(await specOf(second.id)), text);
  const { body: third } = await replay(tenant, first.id, { input: "plain" });
  assert.equal(((await specOf(third.id)) as { body?: unknown }).body, "plain");
  const { body: own } = await replay(tenant, runId);
  assert.equal(textOf(await specOf(own.id)), '{"of":"the task"}');
  const refused = await tenant.call("POST", `/v1/runs/${runId}/replay`, { body: '{"input": [1e999999]}' });
  assertProblem(refused, 422, "invalid_input", ["input"]);
});

test("the revision is the current one, the tag's that was asked for, or the same", async () => {
  const tenant = await api.newTenant();
  const first = await deploy(tenant, "export default () => 1;");
  const tagIt = (revision: string) =>
    tenant.call("PUT", "/v1/functions/greet/tags/stable", { body: { revision } });
  await tagIt(first);
  const [plain, tagged] = [await invoke(tenant, null), await invoke(tenant, null, "?tag=stable")];
  const pinned = await invoke(tenant, null, `?revision=${first}`);
  const { runId: ofTask } = await makeTask(tenant, { type: "function", function: "greet" });
  const runs = [plain, tagged, pinned, ofTask];
  for (const runId of runs) assert.equal((await api.work(runId, FAILED)).revisionId, first);
  const second = await deploy(tenant, "export default () => 2;");
  const revisionOf = async (runId: string, body?: object) => {
    const { body: run } = await replay(tenant, runId, body);
    return (await api.start(run.id)).revisionId;
  };
  for (const runId of runs) {
    assert.equal(await revisionOf(runId, { revision: "same" }), first);
    assert.equal(await revisionOf(runId, { revision: "current" }), runId === tagged ? first : second);
  }
  assert.equal(await revisionOf(plain), second, "the default");
  await tagIt(second);
  assert.equal(await revisionOf(tagged), second);
});

test("where a run ran on no revision, the same one is the current one", async () => {
  const tenant = await api.newTenant();
  const first = await deploy(tenant);
  const same = (runId: string) => replay(tenant, runId, { revision: "same" });
  const email = { type: "email", to: "ada@example.com", subject: "s", body: "b" };
  for (const spec of [HTTP, email]) {
    const { runId, task } = await makeTask(tenant, spec);
    await api.work(runId, FAILED);
    const { status, body } = await same(runId);
    assert.deepEqual([status, body.replayOf, body.taskId], [202, runId, task.id]);
  }
  const [cancelled, pinned] = [await invoke(tenant, null), await invoke(tenant, null, `?revision=${first}`)];
  const { runId: ofTask } = await makeTask(tenant, { type: "function", function: "greet" });
  for (const runId of [cancelled, pinned, ofTask]) await tenant.call("POST", `/v1/runs/${runId}/cancel`);
  const second = await deploy(tenant, "export default () => 2;");
  const revisionOf = async (runId: string) => (await api.start((await same(runId)).body.id)).revisionId;
  assert.equal(await revisionOf(cancelled), second);
  assert.equal(await revisionOf(ofTask), second);
  assert.equal(await revisionOf(pinned), first, "the one that was asked for");
});

test("the same revision of a function that was removed is a 409", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "function", function: "greet" },
  });
  await api.work(task.runId, FAILED);
  assert.equal((await tenant.call("DELETE", "/v1/functions/greet")).status, 204);
  assertProblem(await replay(tenant, task.runId, { revision: "same" }), 409, "revision_unavailable");
});

test("a dead letter that is replayed stays one, to be redriven or discarded", async () => {
  const tenant = await api.newTenant();
  const { runId } = await makeTask(tenant);
  await api.work(runId, { state: "dead", error: SAMPLE_ERROR });
  const { body } = await replay(tenant, runId);
  await api.work(body.id, SUCCEEDED);
  const { body: letters } = await tenant.call("GET", "/v1/dead-letters");
  assert.deepEqual(
    letters.items.map(({ id }: { id: string }) => id),
    [runId],
  );
  assert.equal((await tenant.call("POST", `/v1/dead-letters/${runId}/redrive`)).status, 202);
  assertProblem(await replay(tenant, runId), 409, "run_not_finished");
});

test("a run that waits or runs is a 409, one of a task or function that is gone too, and nothing is made", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const waiting = await invoke(tenant, null);
  const running = await invoke(tenant, null);
  await api.start(running);
  const [cancelled, removed] = [await makeTask(tenant), await makeTask(tenant)];
  for (const { runId } of [cancelled, removed]) await api.work(runId, FAILED);
  await tenant.call("POST", `/v1/tasks/${cancelled.task.id}/cancel`);
  await tenant.call("DELETE", `/v1/tasks/${removed.task.id}`);
  const ended = await invoke(tenant, null);
  await api.work(ended, FAILED);
  const rows = await api.countRows();
  for (const runId of [waiting, running]) assertProblem(await replay(tenant, runId), 409, "run_not_finished");
  assertProblem(await replay(tenant, cancelled.runId), 409, "task_cancelled");
  assertProblem(await replay(tenant, removed.runId), 409, "task_removed");
  await api.work(waiting, FAILED);
  await tenant.call("DELETE", "/v1/functions/greet");
  assertProblem(await replay(tenant, ended), 409, "function_removed");
  assert.deepEqual(await api.countRows(), rows);
});

test("unknown runs, those of others, and keys without the scope are refused", async () => {
  const tenant = await api.newTenant();
  const { runId } = await makeTask(tenant);
  await api.work(runId, FAILED);
  const other = await api.newTenant();
  for (const [caller, id] of [
    [tenant, randomUUID()],
    [tenant, "x"],
    [other, runId],
  ] as const)
    assertProblem(await replay(caller, id), 404, "not_found");
  const reader = await api.newCaller(tenant.namespaceId, ["read", "write"]);
  assertProblem(await replay(reader, runId), 403, "forbidden");
});

test("what the body may not hold is refused by its name", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const runId = await invoke(tenant, null);
  await api.work(runId, FAILED);
  const { runId: http } = await makeTask(tenant);
  await api.work(http, FAILED);
  const rows = await api.countRows();
  const refused = async (id: string, body: object, fields: string[]) =>
    assertProblem(await replay(tenant, id, body), 422, "invalid_input", fields);
  await refused(runId, { inputs: 1 }, ["inputs"]);
  await refused(runId, { revision: "newest" }, ["revision"]);
  await refused(runId, { revision: null }, ["revision"]);
  await refused(runId, { input: { a: "\0" } }, ["input.a"]);
  await refused(http, { input: "\0" }, ["input"]);
  assertProblem(await replay(tenant, runId, [] as never), 422, "invalid_input");
  assertProblem(await tenant.call("POST", `/v1/runs/${runId}/replay`, { body: "{" }), 400, "invalid_json");
  assert.deepEqual(await api.countRows(), rows);
});

test("with its key a replay that is asked for again makes nothing; without one each makes a run", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant);
  const runId = await invoke(tenant, null);
  await api.work(runId, FAILED);
  const headers = { "idempotency-key": "once" };
  const first = await replay(tenant, runId, { input: 1 }, headers);
  const again = await replay(tenant, runId, { input: 1 }, headers);
  assert.deepEqual([again.status, again.body.id], [202, first.body.id]);
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  for (const body of [{ input: 2 }, {}, { input: 1, revision: "same" }])
    assertProblem(await replay(tenant, runId, body, headers), 422, "idempotency_key_reused");
  const both = await Promise.all([replay(tenant, runId), replay(tenant, runId)]);
  assert.equal(new Set(both.map(({ body }) => body.id)).size, 2);
});

test("an e-mail's replay takes no input", async () => {
  const tenant = await api.newTenant();
  const email = { type: "email", to: "a@example.com", from: "b@example.com", subject: "s", body: "t" };
  const { runId } = await makeTask(tenant, email);
  await api.work(runId, FAILED);
  assertProblem(await replay(tenant, runId, { input: {} }), 422, "invalid_input", ["input"]);
  assert.equal((await replay(tenant, runId)).body.type, "email");
});

test("a skipped run can be replayed", async () => {
  const tenant = await api.newTenant();
  const { task } = await makeTask(tenant);
  const skipped = newId();
  const at = new Date().toISOString();
  await api.store.pool.query(
    `INSERT INTO task_runs (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at, finished_at, skipped)
     VALUES ($1, $2, $3, 'http', 'schedule', 'skipped', $4, $4, $4, $5)`,
    [skipped, tenant.namespaceId, task.id, at, { reason: "missed", count: 1, firstAt: at, lastAt: at }],
  );
  const { body } = await replay(tenant, skipped);
  assert.deepEqual([body.state, body.trigger, body.replayOf], ["queued", "schedule", skipped]);
  assert.ok(body.scheduledFor >= at, "it is due now");
});

test("a call of a function's URL is replayed with its method and URL, and the body that is given, if any", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/site", {
    body: { source: "export default { fetch() { throw 1; } };", public: true },
  });
  const visit = async (method: "GET" | "POST") => {
    const runId = newId();
    const request = { method, url: "http://a/?b=c", headers: [["cookie", "secret"]], body: "" };
    await enqueueInvocation(api.store, {
      ...{ runId, namespaceId: tenant.namespaceId, functionName: "site", timeoutMs: 1_000, awaited: false },
      ...{ trigger: "http", input: { request } },
    });
    await api.work(runId, FAILED);
    return runId;
  };
  const [got, posted] = [await visit("GET"), await visit("POST")];
  for (const runId of [got, posted]) assertProblem(await replay(tenant, runId), 409, "input_not_kept");
  assertProblem(await replay(tenant, got, { input: "x" }), 422, "invalid_input", ["input"]);
  const requestOf = async (runId: string, input: Json) => {
    const { body } = await replay(tenant, runId, { input });
    const spec = (await specOf(body.id)) as never as { input: { request: object } };
    return spec.input.request;
  };
  const bare = { url: "http://a/?b=c", headers: [], body: "" };
  assert.deepEqual(await requestOf(got, null), { ...bare, method: "GET" });
  assert.deepEqual(await requestOf(posted, "x"), { ...bare, method: "POST", body: "eA==" });
});

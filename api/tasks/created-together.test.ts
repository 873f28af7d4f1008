/** Many POSTs at once: few statements, each with its own answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const LATER = { type: "http", url: "https://example.com/", schedule: { delay: "30d" } };

const post = (tenant: TestCaller, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  tenant.call("POST", "/v1/tasks", { body: body as never, headers });

test("POSTs that come at once share a few statements, and each is answered with its own task", async (t) => {
  const tenant = await api.newTenant();
  await post(tenant, { ...LATER, name: "warm" });
  const query = t.mock.method(api.store.pool, "query");
  const names = Array.from({ length: 64 }, (_, index) => `task ${index}`);
  const answers = await Promise.all(names.map((name) => post(tenant, { ...LATER, name })));
  const inserts = query.mock.calls.filter(({ arguments: [asked] }) =>
    (asked as unknown as { name?: string }).name?.startsWith("create-tasks"),
  );
  assert.ok(inserts.length < 20, `${inserts.length} statements`);
  for (const [index, { status, body }] of answers.entries()) {
    assert.deepEqual([status, body.name], [201, names[index]]);
    assert.equal((await tenant.call("GET", `/v1/tasks/${body.id}`)).body.name, names[index]);
  }
});

test("among POSTs that come at once, each that is refused has its own problem, and the others are made", async () => {
  const [tenant, full] = [await api.newTenant(), await api.newTenant()];
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;" } });
  await post(tenant, { ...LATER, key: "taken" });
  await api.store.pool.query("UPDATE namespaces SET limits = $2 WHERE id = $1", [
    full.namespaceId,
    { tasks: 1 },
  ]);
  const limited = await api.newCaller(full.namespaceId, ["admin"]);
  await post(limited, LATER);
  const refused: [TestCaller, object, number, string][] = [
    [tenant, { ...LATER, key: "taken" }, 409, "task_key_taken"],
    [limited, LATER, 409, "limit_exceeded"],
    [tenant, { ...LATER, queue: "nowhere" }, 422, "unknown_queue"],
    [tenant, { type: "function", function: "nobody" }, 422, "unknown_function"],
    [tenant, { ...LATER, url: "ftp://example.com/" }, 422, "invalid_input"],
  ];
  const sound = [LATER, { ...LATER, key: "free" }, { type: "function", function: "greet" }];
  const [refusals, made] = await Promise.all([
    Promise.all(refused.map(([caller, body]) => post(caller, body))),
    Promise.all(Array.from({ length: 59 }, (_, nth) => post(tenant, sound[nth === 1 ? 1 : nth % 2 && 2]!))),
  ]);
  for (const [index, [, , status, code]] of refused.entries())
    assertProblem(refusals[index]!, status, code as never);
  assert.deepEqual(new Set(made.map(({ status }) => status)), new Set([201]));
  assert.equal(new Set(made.map(({ body }) => body.id)).size, 59);
});

test("an idempotency key that comes twice among POSTs that come at once makes one task", async () => {
  const tenant = await api.newTenant();
  const key = { "idempotency-key": "once" };
  const [answers] = await Promise.all([
    Promise.all([post(tenant, LATER, key), post(tenant, LATER, key)]),
    Promise.all(Array.from({ length: 30 }, () => post(tenant, LATER))),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201],
  );
  assert.equal(answers[0]!.body.id, answers[1]!.body.id);
  assert.deepEqual(
    answers.map(({ headers }) => headers.get("idempotency-replayed")).toSorted(),
    [null, "true"].toSorted(),
  );
  const { rows } = await api.store.pool.query(
    "SELECT count(*)::int AS count FROM tasks WHERE namespace_id = $1",
    [tenant.namespaceId],
  );
  assert.equal(rows[0].count, 31);
});

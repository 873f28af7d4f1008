/** Who changed what: read back from the log, which is held to the document and to the changes themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { lockResource, OF_INSTALLATION } from "../../core/store/audit-log.ts";
import { untilBlocked } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { apiFeatures } from "../features.ts";
import type { Route } from "../http/route.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const SECRET = "s3cret-that-nobody-reads";
const SOURCE = "export default () => 1;";
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } } as const;

interface Entry {
  id: string;
  at: string;
  action: string;
  resource: string;
  status: number;
  actor: { kind: string; keyId: string; name: string; address: string | null };
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
}

async function readLog(caller: TestCaller, query = ""): Promise<Entry[]> {
  const { status, body } = await caller.call("GET", `/v1/audit${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body.items;
}

/** Oldest first, in short. */
const tell = (entries: Entry[]) =>
  entries.toReversed().map(({ actor, action, resource }) => `${actor.name} ${action} ${resource}`);

async function make(caller: TestCaller, method: string, path: string, body?: object): Promise<Answer> {
  const answer = await caller.call(method, path, body ? { body: body as never } : {});
  assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer;
}

test("every operation that changes something is audited, or says why it is not", async () => {
  const routes = new Map<string, Route>(
    apiFeatures(DEFAULT_SETTINGS).flatMap((feature) =>
      feature.routes.map((route) => [route.operationId, route] as const),
    ),
  );
  const { paths } = (await api.anonymous.call("GET", "/openapi.json")).body;
  const unaudited: string[] = [];
  for (const methods of Object.values<Record<string, { operationId: string; security: object[] }>>(paths))
    for (const [method, { operationId, security }] of Object.entries(methods)) {
      const scopes = security.flatMap((each) => Object.values(each).flat());
      if (method === "get" || scopes.every((scope) => scope === "read")) continue;
      const route = routes.get(operationId);
      if (!route || route.access === null) continue;
      const { audit } = route;
      assert.ok(audit, `${operationId} says neither how it is audited nor why it is not`);
      if ("not" in audit) unaudited.push(operationId);
    }
  assert.deepEqual(unaudited.sort(), [
    "advanceClock",
    "createTask",
    "createTasks",
    "invokeFunction",
    "replayRun",
    "runTask",
  ]);
});

test("a day's work of three keys in two namespaces is read back from their logs", async () => {
  const { operator } = api;
  await make(operator, "POST", "/v1/namespaces", { name: "day-billing" });
  const there = { "bellhop-namespace": "day-billing" };
  const boss = (
    await operator.call("POST", "/v1/keys", { headers: there, body: { name: "boss", scopes: ["admin"] } })
  ).body;
  const admin = api.withKey(boss.key);
  const ci = (await make(admin, "POST", "/v1/keys", { name: "ci", scopes: ["read", "write", "deploy"] }))
    .body;
  const deployer = api.withKey(ci.key);
  await make(deployer, "PUT", "/v1/functions/greet", { source: SOURCE, env: { TOKEN: SECRET } });
  await make(deployer, "PUT", "/v1/secrets/API_KEY", { value: SECRET });
  await make(deployer, "PUT", "/v1/functions/greet/secrets/OWN", { value: SECRET });
  const hook = (await make(deployer, "POST", "/v1/functions/greet/hooks", { name: "github" })).body;
  await make(deployer, "PUT", "/v1/functions/greet/tags/stable", { revision: 1 });
  await make(deployer, "PUT", "/v1/queues/mail", { concurrency: 1 });
  await make(deployer, "PUT", "/v1/queues/mail", { concurrency: 5 });
  const task = (
    await make(deployer, "PUT", "/v1/tasks/nightly", { ...TASK, headers: { authorization: SECRET } })
  ).body;
  await make(deployer, "PATCH", "/v1/tasks/nightly", { schedule: { every: "2h" }, body: { secret: SECRET } });
  await make(admin, "PUT", "/v1/settings", {
    on: { failure: [{ type: "http", url: `https://example.com/?token=${SECRET}` }] },
  });
  await make(admin, "POST", "/v1/signing-secrets/rotate");
  await make(admin, "POST", `/v1/keys/${ci.id}/rotate`, { overlap: "0s" });
  await make(admin, "POST", "/v1/queues/mail/pause");
  const bulk = (await make(admin, "POST", "/v1/bulk", { action: "pause", resource: "tasks", filter: {} }))
    .body;
  await make(admin, "DELETE", `/v1/functions/greet/hooks/${hook.id}`);
  await make(admin, "DELETE", "/v1/secrets/API_KEY");
  const byKey = await readLog(admin, "?resource=tasks/nightly");
  assert.deepEqual(
    byKey.map(({ action }) => action),
    ["changeTask", "putTask"],
  );
  await make(admin, "DELETE", "/v1/tasks/nightly");
  await make(admin, "DELETE", `/v1/keys/${ci.id}`);

  const log = await readLog(admin);
  assert.deepEqual(tell(log), [
    `admin createKey keys/${boss.id}`,
    `boss createKey keys/${ci.id}`,
    "ci deployFunction functions/greet",
    "ci putSecret secrets/API_KEY",
    "ci putFunctionSecret functions/greet/secrets/OWN",
    `ci createHook functions/greet/hooks/${hook.id}`,
    "ci moveTag functions/greet",
    "ci putQueue queues/mail",
    "ci putQueue queues/mail",
    `ci putTask tasks/${task.id}`,
    `ci changeTask tasks/${task.id}`,
    "boss putSettings settings",
    "boss rotateSigningSecrets signing-secrets",
    `boss rotateKey keys/${ci.id}`,
    "boss pauseQueue queues/mail",
    `boss createBulkAction bulk/${bulk.id}`,
    `boss removeHook functions/greet/hooks/${hook.id}`,
    "boss deleteSecret secrets/API_KEY",
    `boss deleteTask tasks/${task.id}`,
    `boss revokeKey keys/${ci.id}`,
  ]);
  const of = (action: string) => log.filter((entry) => entry.action === action);
  const { actor } = of("createKey").at(-1)!;
  assert.deepEqual([actor.kind, of("putQueue")[0]!.actor.kind], ["setting", "key"]);
  assert.equal(of("putQueue")[0]!.actor.keyId, ci.id);
  assert.deepEqual(
    of("putQueue").map(({ before, after }) => [before?.["concurrency"], after?.["concurrency"]]),
    [
      [1, 5],
      [undefined, 1],
    ],
  );
  assert.equal(of("putQueue")[1]!.before, null);
  assert.deepEqual(of("changeTask")[0]!.before!["schedule"], { every: "1h" });
  assert.deepEqual(of("changeTask")[0]!.after!["schedule"], { every: "2h" });
  assert.deepEqual([of("deleteSecret")[0]!.before!["name"], of("deleteSecret")[0]!.after], ["API_KEY", null]);
  assert.deepEqual(of("revokeKey")[0]!.before, { revokedAt: null });
  assert.equal(of("createBulkAction")[0]!.after!["action"], "pause");

  const all =
    JSON.stringify(log) + JSON.stringify((await api.store.pool.query("SELECT * FROM audit_log")).rows);
  for (const secret of [SECRET, boss.key, ci.key, hook.token]) assert.ok(!all.includes(secret));

  const ofInstallation = await readLog(operator, "?resource=namespaces/day-billing");
  assert.deepEqual(tell(ofInstallation), ["admin createNamespace namespaces/day-billing"]);
  const other = await api.newTenant();
  assert.deepEqual(await readLog(other), []);
  assert.deepEqual(tell(await readLog(admin, `?actor=${boss.id}&resource=queues`)), [
    "boss pauseQueue queues/mail",
  ]);
  const asPath = await admin.call("GET", "/v1/audit?resource=/v1/queues/mail");
  assertProblem(asPath, 422, "invalid_input", ["resource"]);
  assertProblem(await deployer.call("GET", "/v1/audit"), 401, "unauthenticated");
  const reader = await api.newCaller(other.namespaceId, ["read", "write", "deploy", "invoke"]);
  assertProblem(await reader.call("GET", "/v1/audit"), 403, "forbidden");
});

test("an operator's key in the log of default is of its kind, and others do not read of namespaces there", async () => {
  const name = "day-hidden";
  await make(api.operator, "POST", "/v1/namespaces", { name });
  await make(api.operator, "DELETE", `/v1/namespaces/${name}`);
  const [entry] = await readLog(api.operator, `?resource=namespaces/${name}&action=deleteNamespace`);
  assert.deepEqual(
    [entry!.actor.kind, entry!.before, entry!.after],
    ["setting", { state: "active" }, { state: "deleting" }],
  );
  const admin = await api.newCaller(api.operator.namespaceId, ["admin"]);
  assert.deepEqual(await readLog(admin, "?resource=namespaces"), []);
});

test("what changes nothing has no entry: a refusal, a dry run, the same once more, a repetition of a request", async () => {
  const tenant = await api.newTenant();
  const task = { ...TASK, key: "k" };
  await make(tenant, "PUT", "/v1/tasks/k", TASK);
  await make(tenant, "PUT", "/v1/queues/mail", { concurrency: 1 });
  const headers = { "idempotency-key": "once" };
  const keyed = { headers, body: { name: "ci", scopes: ["read"] } };
  for (let time = 0; time < 2; time += 1)
    assert.equal((await tenant.call("POST", "/v1/keys", keyed)).status, 201);
  const made = await readLog(tenant);
  assert.equal(made.length, 3);
  await make(tenant, "PUT", "/v1/tasks/k", TASK);
  await make(tenant, "PUT", "/v1/tasks/k?dryRun=true", { ...TASK, schedule: { every: "2h" } });
  await make(tenant, "POST", "/v1/tasks/apply", { items: [task], dryRun: true });
  await make(tenant, "POST", "/v1/tasks/apply", { items: [task] });
  await make(tenant, "POST", "/v1/dead-letters/redrive");
  await make(tenant, "POST", "/v1/bulk", { action: "pause", resource: "tasks", filter: {}, dryRun: true });
  await make(tenant, "PUT", "/v1/queues/mail", { concurrency: 1 });
  assertProblem(
    await tenant.call("PUT", "/v1/queues/mail", { body: { concurrency: -1 } }),
    422,
    "invalid_input",
  );
  assertProblem(await tenant.call("DELETE", "/v1/queues/default"), 409, "queue_in_use");
  assert.deepEqual(await readLog(tenant), made);
});

test("a task that is made by the key of a cancelled one is logged as itself", async () => {
  const tenant = await api.newTenant();
  const first = (await make(tenant, "PUT", "/v1/tasks/nightly", TASK)).body;
  await make(tenant, "POST", `/v1/tasks/${first.id}/cancel`);
  const second = (await make(tenant, "PUT", "/v1/tasks/nightly", TASK)).body;
  assert.notEqual(second.id, first.id);
  const [entry] = await readLog(tenant);
  assert.deepEqual(
    [entry!.action, entry!.resource, entry!.status, entry!.before, entry!.after!["key"]],
    ["putTask", `tasks/${second.id}`, 201, null, "nightly"],
  );
});

test("a change that cannot be logged is not made, and a change that is not made is not logged", async () => {
  const tenant = await api.newTenant();
  const { pool } = api.store;
  await pool.query("ALTER TABLE audit_log ADD CONSTRAINT refused CHECK (action <> 'putCalendar') NOT VALID");
  const put = () => tenant.call("PUT", "/v1/calendars/days", { body: { dates: ["2026-12-25"] } });
  try {
    assertProblem(await put(), 500, "internal_error");
  } finally {
    await pool.query("ALTER TABLE audit_log DROP CONSTRAINT refused");
  }
  assertProblem(await tenant.call("GET", "/v1/calendars/days"), 404, "not_found");
  assert.equal((await put()).status, 201);
  assert.deepEqual(tell(await readLog(tenant)), ["test putCalendar calendars/days"]);
});

test("of two changes of one thing at once, the second begins where the first has ended", async () => {
  const tenant = await api.newTenant();
  const values = Array.from({ length: 8 }, (_, index) => index + 1);
  await Promise.all(values.map((concurrency) => make(tenant, "PUT", "/v1/queues/mail", { concurrency })));
  const log = (await readLog(tenant)).toSorted((a, b) =>
    a.before === null ? -1 : b.before === null ? 1 : 0,
  );
  const next = new Map<unknown, unknown>(
    log.map(({ before, after }) => [before?.["concurrency"] ?? null, after!["concurrency"]]),
  );
  assert.equal(log.length, values.length);
  let [at, steps]: [unknown, number] = [null, 0];
  for (; next.has(at); at = next.get(at)) steps += 1;
  assert.equal(steps, values.length, "one chain");
});

test("an entry has nothing of what others change meanwhile, nor of what changes by itself", async () => {
  const tenant = await api.newTenant();
  const { id } = (await make(tenant, "PUT", "/v1/tasks/nightly", TASK)).body;
  const { changing } = await inTransaction(api.store.pool, async (tx) => {
    await tx.pool.query("UPDATE tasks SET name = 'of another' WHERE id = $1", [id]);
    const changing = tenant.call("PATCH", "/v1/tasks/nightly", { body: { labels: { team: "red" } } });
    await untilBlocked(api.store);
    return { changing };
  });
  assert.equal((await changing).body.name, "of another");
  const [entry] = await readLog(tenant);
  assert.deepEqual([entry!.before, entry!.after], [{ labels: {} }, { labels: { team: "red" } }]);
});

test("changes of a namespace go one after another, whichever namespace their operators act in", async () => {
  const [first, second] = [await api.newTenant(), await api.newTenant()];
  const nameOf = async (tenant: TestCaller) => (await tenant.call("GET", "/v1/whoami")).body.namespace;
  const changed = await nameOf(first);
  const headers = { "bellhop-namespace": await nameOf(second) };
  const { changing } = await inTransaction(api.store.pool, async (tx) => {
    await lockResource(tx, OF_INSTALLATION, `namespaces/${changed}`);
    const options = { headers, body: { tasks: 7 } };
    const changing = api.operator.call("PUT", `/v1/namespaces/${changed}/limits`, options);
    await untilBlocked(api.store);
    return { changing };
  });
  assert.equal((await changing).status, 200);
});

test("a change under a condition waits for another of the same thing before it locks that", async () => {
  const tenant = await api.newTenant();
  await make(tenant, "PUT", "/v1/queues/mail", { concurrency: 1 });
  const tag = (await tenant.call("GET", "/v1/queues/mail")).headers.get("etag")!;
  const { changing, lockRow } = await inTransaction(api.store.pool, async (tx) => {
    await lockResource(tx, tenant.namespaceId, "queues/mail");
    const options = { headers: { "if-match": tag }, body: { concurrency: 2 } };
    const changing = tenant.call("PUT", "/v1/queues/mail", options);
    await untilBlocked(api.store);
    const lockRow = await tx.pool.query("SELECT FROM queues WHERE namespace_id = $1 FOR UPDATE SKIP LOCKED", [
      tenant.namespaceId,
    ]);
    return { changing, lockRow };
  });
  assert.equal(lockRow.rowCount, 1, "nobody holds it");
  assert.equal((await changing).status, 200);
});

test("pages go on where the last one ended, and what is no filter is refused by its name", async () => {
  const tenant = await api.newTenant();
  for (const concurrency of [1, 2, 3]) await make(tenant, "PUT", "/v1/queues/mail", { concurrency });
  const first = (await tenant.call("GET", "/v1/audit?limit=2")).body;
  const second = (await tenant.call("GET", `/v1/audit?limit=2&cursor=${first.nextCursor}`)).body;
  const shown = [...first.items, ...second.items].map(({ after }: Entry) => after!["concurrency"]);
  assert.deepEqual([shown, second.nextCursor], [[3, 2, 1], null]);
  for (const [field, value] of [
    ["from", "yesterday"],
    ["actor", "%00"],
    ["who", "me"],
  ])
    assertProblem(await tenant.call("GET", `/v1/audit?${field}=${value}`), 422, "invalid_input", [field!]);
});

test("an entry has the address of its request, behind a trusted proxy that of who asked it", async () => {
  const tenant = await api.newTenant();
  const put = (remoteAddress: string, concurrency: number) =>
    api.app.request(
      "/v1/queues/mail",
      {
        method: "PUT",
        headers: { authorization: `Bearer ${tenant.key}`, "x-forwarded-for": "203.0.113.7" },
        body: JSON.stringify({ concurrency }),
      },
      { incoming: { complete: true, socket: { remoteAddress } }, isInner: true },
    );
  for (const [at, address] of ["::ffff:198.51.100.1", "127.0.0.1"].entries())
    assert.ok((await put(address, at + 1)).ok);
  const addresses = (await readLog(tenant)).map(({ actor }) => actor.address);
  assert.deepEqual(addresses, ["203.0.113.7", "198.51.100.1"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { ensureNamespace } from "../../core/store/keys.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();

test("a key is told its namespace, its name and what it may do, whatever its scopes", async () => {
  const tenant = await api.newTenant();
  const caller = await api.newCaller(tenant.namespaceId, ["invoke"]);
  const { status, body } = await caller.call("GET", "/v1/whoami");
  assert.equal(status, 200);
  assert.deepEqual(
    { ...body, namespace: "", key: { ...body.key, id: "" } },
    { namespace: "", key: { id: "", name: "test", functions: null, expiresAt: null }, scopes: ["invoke"] },
  );
  assertProblem(await api.anonymous.call("GET", "/v1/whoami"), 401, "unauthenticated");
});

test("the setting's key is an operator of every namespace, and acts in default where it names none", async () => {
  const { body } = await api.operator.call("GET", "/v1/whoami");
  assert.deepEqual([body.namespace, body.key.name, body.scopes], ["default", "admin", ["operator"]]);
  await ensureNamespace(api.db, "billing");
  const inBilling = { headers: { "bellhop-namespace": "billing" } };
  const there = await api.operator.call("GET", "/v1/whoami", inBilling);
  assert.deepEqual([there.body.namespace, there.body.key], ["billing", body.key]);
  const task = { type: "http", schedule: { every: "1h" }, url: "https://example.com/" };
  const made = await api.operator.call("POST", "/v1/tasks", { ...inBilling, body: task });
  assert.equal(made.status, 201);
  const path = `/v1/tasks/${made.body.id}`;
  assert.equal((await api.operator.call("GET", path, inBilling)).status, 200);
  assertProblem(await api.operator.call("GET", path), 404, "not_found");
});

test("no other key acts elsewhere, and none is told whether there is such a namespace", async () => {
  const tenant = await api.newTenant();
  await ensureNamespace(api.db, "payroll");
  const act = (name: string) => tenant.call("GET", "/v1/tasks", { headers: { "bellhop-namespace": name } });
  const [theirs, nobodys] = [await act("payroll"), await act("nobodys")];
  assertProblem(theirs, 403, "forbidden");
  assert.deepEqual(nobodys.body, theirs.body);
  const { body } = await tenant.call("GET", "/v1/whoami");
  assert.equal((await act(body.namespace)).status, 200, "its own is fine");
});

test("an operator is told where there is no such namespace, or one that is being deleted", async () => {
  const act = (name: string) =>
    api.operator.call("GET", "/v1/tasks", { headers: { "bellhop-namespace": name } });
  assertProblem(await act("nobodys"), 404, "not_found");
  const id = await ensureNamespace(api.db, "leaving");
  await api.db.updateTable("namespaces").set({ closed_at: new Date() }).where("id", "=", id).execute();
  assertProblem(await act("leaving"), 409, "namespace_closed");
});

/** What an operator says of where a namespace's requests may go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadNamespaceEgress } from "../../core/store/namespace-egress.ts";
import { findNamespace } from "../../core/store/namespaces.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const ANY = { allow: [], deny: [], hosts: null };

async function openTenant() {
  const tenant = await api.newTenant();
  const name: string = (await tenant.call("GET", "/v1/whoami")).body.namespace;
  return { tenant, name };
}
const put = (caller: TestCaller, name: string, body: object) =>
  caller.call("PUT", `/v1/namespaces/${name}/egress`, { body: body as never });
const read = (caller: TestCaller, name: string) => caller.call("GET", `/v1/namespaces/${name}/egress`);

test("is shown as it was said last, kept for workers where it says anything, and audited", async () => {
  const { name } = await openTenant();
  assert.deepEqual((await read(api.operator, name)).body, ANY);
  const egress = { allow: ["10.2.0.0/16"], deny: ["10.2.7.0/24", "::1"], hosts: ["*.example.com"] };
  const answer = await put(api.operator, name, egress);
  assert.deepEqual([answer.status, answer.body], [200, egress]);
  assert.deepEqual((await read(api.operator, name)).body, egress);
  const { id } = (await findNamespace(api.store, name))!;
  assert.deepEqual((await loadNamespaceEgress(api.store)).get(id), egress);
  assert.deepEqual((await put(api.operator, name, {})).body, ANY);
  assert.equal((await loadNamespaceEgress(api.store)).has(id), false);
  const { items } = (await api.operator.call("GET", `/v1/audit?resource=namespaces/${name}`)).body;
  assert.deepEqual([items[0].action, items[0].before.egress], ["putNamespaceEgress", egress]);
  assert.equal(items[0].after.egress, null);
});

test("is an operator's to say and to see, of a namespace that there is", async () => {
  const { tenant, name } = await openTenant();
  assertProblem(await put(tenant, name, {}), 403, "forbidden");
  assertProblem(await read(tenant, name), 403, "forbidden");
  for (const nowhere of ["nobody", "No-Name"]) {
    assertProblem(await put(api.operator, nowhere, {}), 404, "not_found");
    assertProblem(await read(api.operator, nowhere), 404, "not_found");
  }
});

test("what is no network, no host or too much is refused by its field, and changes nothing", async () => {
  const { name } = await openTenant();
  const refused: [string, object][] = [
    ["allow.1", { allow: ["10.0.0.0/8", "10.0.0.0/33"] }],
    ["deny.0", { deny: ["example.com"] }],
    ["hosts.0", { hosts: ["127.0.0.1"] }],
    ["hosts", { hosts: Array.from({ length: 101 }, (_, at) => `a${at}.test`) }],
    ["allow", { allow: null }],
    ["ports", { ports: [25] }],
  ];
  for (const [field, body] of refused)
    assertProblem(await put(api.operator, name, body), 422, "invalid_input", [field]);
  assert.deepEqual((await read(api.operator, name)).body, ANY);
});

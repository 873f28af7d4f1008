/** The API asked with tokens of an OpenID provider: who comes in, as whom and where, and what is told and kept of it. */
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { pino } from "pino";
import type { OidcConfig } from "../../../core/config/oidc.ts";
import { ensureNamespace } from "../../../core/store/keys.ts";
import { until } from "../../../core/store/testing/test-store.ts";
import { removeUnseenSubjects } from "../../../core/store/token-subjects.ts";
import { createManualClock } from "../../../test/support/manual-clock.ts";
import { startTestIssuer, TEST_AUDIENCE } from "../../../test/support/oidc-issuer.ts";
import { type Answer, openApi, type TestCaller } from "../../testing/open-api.ts";
import { assertProblem } from "../../testing/problem.ts";
import { UNKNOWN_KEY_PAUSE_MS } from "./issuer.ts";

const provider = await startTestIssuer();
after(() => provider.close());

const config: OidcConfig = {
  ...{ issuer: provider.url, audiences: [TEST_AUDIENCE] },
  mapping: {
    rules: [
      { claims: { groups: "nowhere" }, namespace: "nowhere", scopes: ["admin"] },
      { claims: { groups: "billing" }, namespace: "billing", scopes: ["read", "write", "invoke"] },
      { claims: { groups: "leads" }, namespace: "payroll", scopes: ["admin"] },
      { claims: { groups: "brief" }, namespace: "brief", scopes: ["read"] },
      { claims: { groups: "ops" }, namespace: "default", scopes: ["operator"] },
    ],
    ownClaims: undefined,
  },
};
const logged: string[] = [];
const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(line) });
const clock = createManualClock(new Date());
const api = await openApi({ oidc: { config, clock }, log });
for (const namespace of ["billing", "payroll"]) await ensureNamespace(api.db, namespace);

beforeEach(() => {
  provider.isAway = false;
});

const seconds = () => Math.floor(clock.now().getTime() / 1_000);
/** Of a token for an hour from the API's now on. */
const withToken = async (groups: string[], claims: object = {}) =>
  api.withKey(await provider.sign({ exp: seconds() + 3_600, groups, ...claims }));
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } } as const;
const inNamespace = (name: string) => ({ headers: { "bellhop-namespace": name } });

function assertDetail(answer: Answer, status: number, code: string, detail: RegExp): void {
  assertProblem(answer, status, code);
  assert.match(answer.body.detail, detail);
}

test("whoami tells who comes with a token: issuer, subject, namespaces, scopes and when it ends", async () => {
  const exp = seconds() + 600;
  const caller = await withToken(["billing", "leads"], { sub: "ann@acme", exp });
  const { status, body } = await caller.call("GET", "/v1/whoami");
  assert.equal(status, 200, JSON.stringify(body));
  const { id, ...key } = body.key;
  assert.match(id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(
    { ...body, key },
    {
      namespace: "billing",
      key: { name: "ann@acme", functions: null, expiresAt: new Date(exp * 1_000).toISOString() },
      scopes: ["read", "write", "invoke"],
      token: { issuer: provider.url, subject: "ann@acme", namespaces: ["billing", "payroll"] },
    },
  );
});

test("a token acts where it is granted something, as what it is granted there, and nowhere else", async () => {
  const caller = await withToken(["billing", "leads"]);
  const there = await caller.call("GET", "/v1/whoami", inNamespace("payroll"));
  assert.deepEqual([there.body.namespace, there.body.scopes], ["payroll", ["admin"]]);
  assert.equal((await caller.call("GET", "/v1/keys", inNamespace("payroll"))).status, 200);
  assertDetail(await caller.call("GET", "/v1/keys"), 403, "forbidden", /This token lacks the scope admin/);
  const act = (name: string) => caller.call("GET", "/v1/tasks", inNamespace(name));
  const [theirs, nobodys] = [await act("default"), await act("nobodys")];
  assertDetail(theirs, 403, "forbidden", /granted nothing in the namespace/);
  assert.deepEqual(nobodys.body, theirs.body);
});

test("an operator's token acts in any namespace, as an operator's key does", async () => {
  const caller = await withToken(["ops", "billing"]);
  const own = await caller.call("GET", "/v1/whoami");
  assert.deepEqual([own.body.namespace, own.body.scopes], ["default", ["operator"]]);
  assert.equal((await caller.call("GET", "/v1/tasks", inNamespace("payroll"))).status, 200);
  assertProblem(await caller.call("GET", "/v1/tasks", inNamespace("nobodys")), 404, "not_found");
});

test("a token that opens nothing is told so, the same whether its namespace is not there or it names none", async () => {
  const told = /valid, but none of its claims grant access here/;
  for (const groups of [[], ["strangers"], ["nowhere"]]) {
    const caller = await withToken(groups);
    for (const path of ["/v1/whoami", "/v1/tasks"])
      assertDetail(await caller.call("GET", path), 403, "forbidden", told);
  }
});

test("a token whose first namespace is not there has to name another: nothing is done in the next one unasked", async () => {
  const caller = await withToken(["nowhere", "billing"]);
  assertDetail(
    await caller.call("POST", "/v1/tasks", { body: TASK }),
    403,
    "forbidden",
    /first namespace.*does not exist/,
  );
  assert.equal((await caller.call("GET", "/v1/tasks", inNamespace("billing"))).status, 200);
});

test("a token is taken in Bellhop-Key, too; a key goes on beside it", async () => {
  const { key } = await withToken(["billing"]);
  const answer = await api.anonymous.call("GET", "/v1/whoami", { headers: { "bellhop-key": key! } });
  assert.equal(answer.body.token.subject, "ann");
  assert.equal((await api.operator.call("GET", "/v1/whoami")).body.token, undefined);
});

test("where no provider is set a token is an unknown key", async () => {
  const other = await openApi();
  const { key } = await withToken(["ops"]);
  assertProblem(await other.withKey(key!).call("GET", "/v1/whoami"), 401, "unauthenticated");
});

test("what is wrong with a token is told; nothing of it gets into the log, nor a claim beyond the subject", async () => {
  logged.length = 0;
  const cases: [object, RegExp][] = [
    [{ exp: seconds() - 31 }, /has expired/],
    [{ nbf: seconds() + 60 }, /not valid yet/],
    [{ aud: "shop" }, /another audience/],
    [{ iss: "https://evil.example" }, /another issuer/],
  ];
  const shown: string[] = [];
  for (const [claims, detail] of cases) {
    const caller = await withToken(["billing"], { email: "ann@private.example", ...claims });
    shown.push(caller.key!);
    const answer = await caller.call("GET", "/v1/tasks");
    assertDetail(answer, 401, "unauthenticated", detail);
    assert.doesNotMatch(JSON.stringify(answer.body), /private\.example/);
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
  }
  const fine = await withToken(["billing"], { email: "ann@private.example" });
  await fine.call("POST", "/v1/tasks", { body: TASK });
  for (const text of [...shown, fine.key!, "private.example"]) assert.ok(!logged.join("").includes(text));
});

test("the audit log and histories name the subject, by one id for all of its tokens", async () => {
  const caller = await withToken(["leads"], { sub: "admin" });
  const { id } = (await caller.call("GET", "/v1/whoami")).body.key;
  const task = (await caller.call("PUT", "/v1/tasks/nightly", { body: TASK })).body;
  const later = await withToken(["leads"], { sub: "admin", jti: "another" });
  await later.call("POST", `/v1/tasks/${task.id}/pause`);
  const { items } = (await later.call("GET", `/v1/audit?actor=${id}`)).body;
  assert.deepEqual(
    items.map(({ action, actor }: { action: string; actor: object }) => [action, actor]),
    ["pauseTask", "putTask"].map((action) => [
      action,
      { kind: "token", keyId: id, name: "admin", address: null },
    ]),
  );
  assert.equal((await later.call("GET", "/v1/audit?actor=admin")).body.items.length, 2);
  const history = await until(async () => {
    const { body } = await later.call("GET", `/v1/tasks/${task.id}/changes`);
    return body.items[0].by.name === "" ? undefined : body.items;
  });
  assert.deepEqual(
    history.map(({ change, by }: { change: string; by: object }) => [change, by]),
    ["paused", "created"].map((change) => [change, { keyId: id, name: "admin" }]),
  );
  await removeUnseenSubjects(api.store, new Date(Date.now() + 60_000), 10_000);
  const { body } = await later.call("GET", `/v1/tasks/${task.id}/changes`);
  assert.deepEqual(body.items[0].by, { keyId: id, name: "" }, "as of a key that was removed");
});

test("requests are counted for each subject, whichever token they come with", async () => {
  const limits = { requests: { limit: 3, per: "1h" } };
  assert.equal(
    (await api.operator.call("PUT", "/v1/namespaces/billing/limits", { body: limits })).status,
    200,
  );
  const statuses: number[] = [];
  await until(async () => {
    const caller = await withToken(["billing"], { sub: "eve", jti: String(statuses.length) });
    statuses.push((await caller.call("GET", "/v1/tasks")).status);
    return statuses.includes(429) || undefined;
  });
  const bob = await withToken(["billing"], { sub: "bob" });
  assert.equal((await bob.call("GET", "/v1/tasks")).status, 200);
  await api.operator.call("PUT", "/v1/namespaces/billing/limits", { body: {} });
});

test("requests of a token that opens two namespaces are counted in each by itself", async () => {
  const operator = api.withKey(await provider.sign({ exp: seconds() + 3_600, groups: ["ops"] }));
  const limit = (name: string, requests: { limit: number; per: string } | null) =>
    operator.call("PUT", `/v1/namespaces/${name}/limits`, { body: { requests } });
  assert.equal((await limit("billing", { limit: 1, per: "1h" })).status, 200);
  assert.equal((await limit("payroll", { limit: 1, per: "1h" })).status, 200);
  const caller = await withToken(["billing", "leads"], { sub: "cy@acme" });
  const ask = async (name: string) => (await caller.call("GET", "/v1/tasks", inNamespace(name))).status;
  assert.deepEqual([await ask("billing"), await ask("billing")], [200, 429]);
  assert.deepEqual([await ask("payroll"), await ask("payroll")], [200, 429]);
  assert.equal(await ask("billing"), 429);
  for (const name of ["billing", "payroll"]) assert.equal((await limit(name, null)).status, 200);
});

test("a token makes no key that may do more than itself, or lasts longer", async () => {
  const exp = seconds() + 900;
  const caller = await withToken(["leads"], { exp });
  const make = (body: object) => caller.call("POST", "/v1/keys", { body: { name: "ci", ...body } as never });
  assertDetail(await make({ scopes: ["read"] }), 403, "forbidden", /expiresAt/);
  assertDetail(await make({ scopes: ["operator"] }), 403, "forbidden", /scopes/);
  const made = await make({ scopes: ["read"], expiresAt: new Date(exp * 1_000).toISOString() });
  assert.equal(made.status, 201, JSON.stringify(made.body));
});

test("a rotation of the provider's keys is followed; tokens of the key before are refused then", async () => {
  const before = await withToken(["billing"]);
  assert.equal((await before.call("GET", "/v1/tasks")).status, 200);
  await clock.advance(UNKNOWN_KEY_PAUSE_MS);
  await provider.rotate("RS256");
  const now = await withToken(["billing"]);
  assert.equal((await now.call("GET", "/v1/tasks")).status, 200);
  await clock.advance(60_000);
  assertDetail(await before.call("GET", "/v1/tasks"), 401, "unauthenticated", /does not publish/);
});

test("a stream ends with its token", async () => {
  const caller = await withToken(["billing"], { exp: seconds() + 100 });
  for (const path of ["/v1/events?follow=true"]) {
    const response = await caller.request("GET", path);
    assert.equal(response.status, 200);
    const ended = response.text();
    await until(async () => clock.sleepers > 0 || undefined);
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    await until(async () => {
      if (clock.sleepers > 0) await clock.advance(10_000);
      return isOver || undefined;
    });
  }
  assertDetail(await caller.call("GET", "/v1/tasks"), 401, "unauthenticated", /has expired/);
});

test("a stream ends with the namespace in which its token, or its operator, acts", async () => {
  await ensureNamespace(api.db, "brief");
  const token = await withToken(["brief"]);
  const streams = await Promise.all([
    token.request("GET", "/v1/events?follow=true"),
    api.operator.request("GET", "/v1/events?follow=true", inNamespace("brief")),
  ]);
  assert.deepEqual(
    streams.map(({ status }) => status),
    [200, 200],
  );
  let open: number = streams.length;
  for (const stream of streams) void stream.text().then(() => (open -= 1));
  assert.equal((await api.operator.call("DELETE", "/v1/namespaces/brief")).status, 202);
  await until(async () => {
    if (clock.sleepers > 0) await clock.advance(500);
    return open === 0 || undefined;
  });
});

test("a function's URL takes a token that may invoke there, and shows it to no function", async (t) => {
  const seen: string[] = [];
  t.mock.method(api.parts.direct, "begin", ((call, { onDone }) => {
    seen.push(JSON.stringify(call));
    onDone({ state: "succeeded", result: { status: 200, body: "hello" } });
  }) as typeof api.parts.direct.begin);
  const body = { source: "export default { fetch: () => new Response('hello') };" };
  for (const [name, more] of [
    ["quiet", {}],
    ["loud", { public: true }],
  ] as const) {
    const made = { ...inNamespace("payroll"), body: { ...body, ...more } };
    assert.equal((await api.operator.call("PUT", `/v1/functions/${name}`, made)).status, 201);
  }
  const call = async (caller: TestCaller, name: string, headers: Record<string, string> = {}) =>
    await caller.call("GET", `/fn/payroll/${name}`, { headers });

  const lead = await withToken(["billing", "leads"]);
  assert.equal((await call(lead, "quiet")).body, "hello");
  const elsewhere = await withToken(["billing"]);
  for (const name of ["quiet", "none"]) assertProblem(await call(elsewhere, name), 404, "not_found");
  const nobody = await withToken([]);
  for (const name of ["quiet", "none"]) assertProblem(await call(nobody, name), 403, "forbidden");
  const expired = await withToken(["leads"], { exp: seconds() - 60 });
  for (const name of ["quiet", "none"]) assertProblem(await call(expired, name), 401, "unauthenticated");

  // A public function is for everybody, and has callers with tokens of its own.
  for (const caller of [lead, elsewhere, nobody, expired])
    assert.equal((await call(caller, "loud")).body, "hello");
  assert.equal((await call(lead, "loud", { "bellhop-key": lead.key! })).body, "hello");
  for (const { key } of [lead, elsewhere, nobody, expired]) assert.ok(!seen.join("").includes(key!));
  const theirs = await withToken([], { aud: "shop" });
  assert.equal((await call(theirs, "loud")).body, "hello");
  assert.ok(seen.at(-1)!.includes(theirs.key!));
});

test("a provider that is away lets nobody in with a token; keys and public functions go on", async () => {
  const other = await openApi({ oidc: { config, clock } });
  provider.isAway = true;
  await ensureNamespace(other.db, "billing");
  const caller = other.withKey((await withToken(["billing"])).key!);
  const answer = await caller.call("GET", "/v1/tasks");
  assertProblem(answer, 503, "issuer_unavailable");
  assert.equal(answer.headers.get("retry-after"), "5");
  assertProblem(await caller.call("GET", "/fn/billing/none"), 503, "issuer_unavailable");
  assert.equal((await other.operator.call("GET", "/v1/whoami")).status, 200);
  provider.isAway = false;
  await clock.advance(5_000);
  assert.equal((await caller.call("GET", "/v1/tasks")).status, 200);
});

/** `ETag`, `If-Match`, `If-None-Match`: of tasks, queues, calendars and settings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { hasSame, hasTag, tagOf } from "./entity.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/", schedule: { every: "1h" } } as const;

interface Thing {
  path: string;
  change(tenant: TestCaller, headers: Record<string, string>): ReturnType<TestCaller["call"]>;
}

let changes = 0;
const anything = () => (changes += 1);

const put = (path: string, body: () => object): Thing => ({
  path,
  change: (tenant, headers) => tenant.call("PUT", path, { body: body() as never, headers }),
});

const THINGS: Record<string, Thing> = {
  "a task": put("/v1/tasks/nightly", () => ({ ...HTTP, name: `name ${anything()}` })),
  "a queue": put("/v1/queues/mail", () => ({ concurrency: anything() })),
  "a calendar": put("/v1/calendars/days", () => ({ dates: [`20${10 + anything()}-12-25`] })),
  settings: put("/v1/settings", () => ({
    on: { failure: [{ type: "http", url: `https://example.com/${anything()}` }] },
  })),
};

for (const [name, { path, change }] of Object.entries(THINGS))
  test(`${name} is changed only where it is what its caller has seen`, async () => {
    const tenant = await api.newTenant();
    const made = await change(tenant, {});
    const seen = await tenant.call("GET", path);
    const etag = seen.headers.get("etag")!;
    assert.equal(made.headers.get("etag"), etag);
    const changed = await change(tenant, { "if-match": `"another", ${etag}` });
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.get("etag"), etag);
    assertProblem(await change(tenant, { "if-match": etag }), 412, "precondition_failed");
    assertProblem(
      await change(tenant, { "if-match": `W/${changed.headers.get("etag")}` }),
      412,
      "precondition_failed",
    );
    const stands = await tenant.call("GET", path);
    assert.deepEqual(stands.body, changed.body);
    assert.equal((await change(tenant, { "if-match": "*" })).status, 200);
    assert.equal((await change(tenant, {})).status, 200, "no condition is ever demanded");
  });

for (const [name, { path }] of Object.entries(THINGS))
  test(`who has ${name} already is told so`, async () => {
    const tenant = await api.newTenant();
    await THINGS[name]!.change(tenant, {});
    const etag = (await tenant.call("GET", path)).headers.get("etag")!;
    for (const known of [etag, `W/${etag}`, "*"]) {
      const again = await tenant.call("GET", path, { headers: { "if-none-match": known } });
      assert.deepEqual([again.status, again.body, again.headers.get("etag")], [304, undefined, etag]);
    }
    assert.equal((await tenant.call("GET", path, { headers: { "if-none-match": '"another"' } })).status, 200);
  });

test("what is not there matches nothing, and is not made", async () => {
  const tenant = await api.newTenant();
  for (const name of ["a task", "a queue", "a calendar"]) {
    const { path, change } = THINGS[name]!;
    for (const wanted of ["*", '"any"'])
      assertProblem(await change(tenant, { "if-match": wanted }), 412, "precondition_failed");
    assert.equal((await tenant.call("GET", path)).status, 404, name);
  }
});

test("with If-None-Match a thing is made only where there is none, and changed only where it is another", async () => {
  const tenant = await api.newTenant();
  const none = { "if-none-match": "*" };
  for (const name of ["a task", "a queue", "a calendar"]) {
    const { path, change } = THINGS[name]!;
    assert.equal((await change(tenant, none)).status, 201, name);
    const stands = await tenant.call("GET", path);
    const etag = stands.headers.get("etag")!;
    for (const known of ["*", etag, `"another", W/${etag}`])
      assertProblem(await change(tenant, { "if-none-match": known }), 412, "precondition_failed");
    assert.deepEqual((await tenant.call("GET", path)).body, stands.body, name);
    assert.equal((await change(tenant, { "if-none-match": '"another"' })).status, 200, name);
  }
  assertProblem(await THINGS["settings"]!.change(tenant, none), 412, "precondition_failed");
});

test("of many who make a thing where there is none, one makes it, and the others change nothing", async () => {
  for (const name of ["a task", "a queue", "a calendar"]) {
    const tenant = await api.newTenant();
    const { path, change } = THINGS[name]!;
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => change(tenant, { "if-none-match": "*" })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, ...Array(5).fill(412)], name);
    const made = answers.find(({ status }) => status === 201)!;
    assert.equal((await tenant.call("GET", path)).headers.get("etag"), made.headers.get("etag"), name);
  }
});

test("a dry run has the condition too, and makes nothing", async () => {
  const tenant = await api.newTenant();
  const headers = { "if-none-match": "*" };
  const plan = () => tenant.call("PUT", "/v1/tasks/nightly?dryRun=true", { body: HTTP, headers });
  assert.equal((await plan()).body.change, "created");
  await tenant.call("PUT", "/v1/tasks/nightly", { body: HTTP });
  assertProblem(await plan(), 412, "precondition_failed");
});

test("a read is answered only where the thing is what If-Match says", async () => {
  const tenant = await api.newTenant();
  const { path, change } = THINGS["a queue"]!;
  const etag = (await change(tenant, {})).headers.get("etag")!;
  const read = (wanted: string) => tenant.call("GET", path, { headers: { "if-match": wanted } });
  assert.equal((await read(etag)).status, 200);
  assertProblem(await read('"another"'), 412, "precondition_failed");
});

test("a condition is refused by its header where nothing has an ETag, and where it cannot be read", async () => {
  const tenant = await api.newTenant();
  const source = "export default () => 1;";
  const refuse = async (
    header: "if-match" | "if-none-match",
    [method, path, body, value = "*"]: readonly [string, string, object?, string?],
  ) => {
    const answer = await tenant.call(method, path, {
      headers: { [header]: value },
      ...(body && { body: body as never }),
    });
    assertProblem(answer, 400, "unsupported_condition");
    assert.match(answer.body.detail, header === "if-match" ? /If-Match/ : /If-None-Match/, path);
  };
  const before = await api.countRows();
  for (const header of ["if-match", "if-none-match"] as const) {
    await refuse(header, ["PUT", "/v1/functions/greet", { source }]);
    await refuse(header, ["POST", "/v1/tasks", HTTP]);
    await refuse(header, ["DELETE", "/v1/functions/greet"]);
    await refuse(header, ["POST", "/v1/keys", { name: "ci", scopes: ["read"] }]);
    await refuse(header, ["PUT", "/v1/queues/mail", {}, "unquoted"]);
    await refuse(header, ["PUT", "/v1/queues/mail", {}, '"a" b']);
    await refuse(header, ["PUT", "/v1/queues/mail", {}, ""]);
  }
  await refuse("if-match", ["GET", "/v1/tasks"]);
  assert.deepEqual(await api.countRows(), before);
  assert.equal((await tenant.call("GET", "/v1/tasks", { headers: { "if-none-match": '"a"' } })).status, 200);
});

test("a task's other changes have the condition too", async () => {
  const tenant = await api.newTenant();
  const { id } = (await tenant.call("POST", "/v1/tasks", { body: HTTP })).body;
  const path = `/v1/tasks/${id}`;
  const stale = { "if-match": '"stale"' };
  for (const [method, at, body] of [
    ["PATCH", path, { name: "x" }],
    ["POST", `${path}/pause`, {}],
    ["POST", `${path}/cancel`, {}],
    ["DELETE", path, undefined],
  ] as const)
    assertProblem(
      await tenant.call(method, at, { headers: stale, ...(body && { body }) }),
      ...([412, "precondition_failed"] as const),
    );
  const { body, headers } = await tenant.call("GET", path);
  assert.deepEqual([body.name, body.state], [null, "active"]);
  const seen = { "if-match": headers.get("etag")! };
  const paused = await tenant.call("POST", `${path}/pause`, { headers: seen, body: {} });
  assert.equal(paused.body.state, "paused");
  const gone = await tenant.call("DELETE", path, { headers: { "if-match": paused.headers.get("etag")! } });
  assert.equal(gone.status, 204);
});

test("of many who have seen the same, one changes it", async () => {
  const tenant = await api.newTenant();
  const { path, change } = THINGS["a task"]!;
  await change(tenant, {});
  const etag = (await tenant.call("GET", path)).headers.get("etag")!;
  const answers = await Promise.all(Array.from({ length: 8 }, () => change(tenant, { "if-match": etag })));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(412)]);
});

test("a repetition under an idempotency key is answered as before, though the condition does not hold any more", async () => {
  const tenant = await api.newTenant();
  const { id } = (await tenant.call("POST", "/v1/tasks", { body: HTTP })).body;
  const etag = (await tenant.call("GET", `/v1/tasks/${id}`)).headers.get("etag")!;
  const given = { body: {}, headers: { "if-match": etag, "idempotency-key": "once" } };
  const first = await tenant.call("POST", `/v1/tasks/${id}/pause`, given);
  const second = await tenant.call("POST", `/v1/tasks/${id}/pause`, given);
  assert.deepEqual([first.status, second.status], [200, 200]);
  assert.equal(second.headers.get("idempotency-replayed"), "true");
});

test("who has seen a queue is shown what waits in it by now, and may change it by what he saw", async () => {
  const tenant = await api.newTenant();
  const { path, change } = THINGS["a queue"]!;
  await change(tenant, {});
  const seen = await tenant.call("GET", path);
  const etag = seen.headers.get("etag")!;
  assert.match(seen.headers.get("vary")!, /Authorization, Bellhop-Key, Bellhop-Namespace/);
  await tenant.call("POST", "/v1/tasks", { body: { type: "http", url: HTTP.url, queue: "mail" } });
  const again = await tenant.call("GET", path, { headers: { "if-none-match": etag } });
  assert.equal(again.status, 200);
  assert.notDeepEqual(again.body, seen.body);
  assert.notEqual(again.headers.get("etag"), etag);
  assert.equal((await change(tenant, { "if-match": etag })).status, 200);
});

test("the first half of a tag says what a thing is, in whatever order; the second, what changes by itself", () => {
  const entity = { leaves: ["running"] };
  const tag = tagOf(entity, { name: "mail", limits: { a: 1, b: 2 }, running: 1 });
  assert.match(tag, /^"[\w-]{43}\.[\w-]{43}"$/);
  assert.equal(tagOf(entity, { running: 1, limits: { b: 2, a: 1 }, name: "mail" }), tag);
  const later = tagOf(entity, { name: "mail", limits: { a: 1, b: 2 }, running: 7 });
  assert.deepEqual([hasTag(tag, later), hasSame(tag, later)], [false, true]);
  const changed = tagOf(entity, { name: "mail", limits: { a: 1, b: 3 }, running: 1 });
  assert.deepEqual([hasTag(tag, changed), hasSame(tag, changed)], [false, false]);
});

test("tags are compared as RFC 9110 has it", () => {
  assert.ok(hasSame('"a", "b"', '"b"'));
  assert.ok(hasSame(" * ", '"b"'));
  assert.ok(!hasSame('W/"b"', '"b"'));
  assert.ok(hasTag('W/"b"', '"b"'));
  assert.ok(!hasTag('"bb"', '"b"'));
  assert.ok(!hasTag("b", '"b"'));
});

/** Whose pages may call the API from a browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openApi } from "../testing/open-api.ts";

const APP = "https://app.example.com";
const closed = await openApi();
const named = await openApi({ corsOrigins: [APP] });
const any = await openApi({ corsOrigins: ["*"] });

const allowedIn = ({ headers }: { headers: Headers }) => headers.get("access-control-allow-origin");
const preflight = (origin: string, api = named) =>
  api.anonymous.request("OPTIONS", "/v1/tasks", {
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,idempotency-key",
    },
  });

test("without the setting nobody's page may", async () => {
  const tenant = await closed.newTenant();
  assert.equal(allowedIn(await tenant.call("GET", "/v1/tasks", { headers: { origin: APP } })), null);
  const asked = await preflight(APP, closed);
  assert.deepEqual([asked.status, allowedIn(asked)], [401, null]);
});

test("a page of an origin that is named may, and reads what it needs; it is asked for no key before", async () => {
  const asked = await preflight(APP);
  assert.deepEqual([asked.status, allowedIn(asked)], [204, APP]);
  assert.match(
    asked.headers.get("access-control-allow-headers")!,
    /authorization.*idempotency-key.*if-match.*prefer/,
  );
  assert.match(asked.headers.get("access-control-allow-methods")!, /PATCH/);
  assert.equal(asked.headers.get("access-control-max-age"), "600");
  const tenant = await named.newTenant();
  const answer = await tenant.call("GET", "/v1/tasks", { headers: { origin: APP } });
  assert.equal(allowedIn(answer), APP);
  assert.match(answer.headers.get("vary")!, /Origin/);
  assert.match(answer.headers.get("access-control-expose-headers")!, /location.*ratelimit,.*retry-after/);
  assert.equal(answer.headers.get("access-control-allow-credentials"), null);
});

test("a 304 can be read too: who has the document already, and who has a task", async () => {
  const tenant = await named.newTenant();
  const { id } = (
    await tenant.call("POST", "/v1/tasks", {
      body: { type: "http", url: "https://example.com/", schedule: { delay: "1h" } },
    })
  ).body;
  for (const path of ["/openapi.json", `/v1/tasks/${id}`]) {
    const etag = (await tenant.call("GET", path)).headers.get("etag")!;
    const again = await tenant.call("GET", path, { headers: { origin: APP, "if-none-match": etag } });
    assert.deepEqual([again.status, allowedIn(again)], [304, APP], path);
    assert.match(again.headers.get("access-control-expose-headers")!, /etag/, path);
    assert.match(again.headers.get("vary")!, /Origin/, path);
  }
});

test("errors can be read too", async () => {
  const refused = await named.anonymous.call("GET", "/v1/tasks", { headers: { origin: APP } });
  assert.deepEqual([refused.status, allowedIn(refused)], [401, APP]);
});

test("no other origin may, however alike", async () => {
  for (const origin of [
    "https://app.example.com.evil.test",
    "http://app.example.com",
    `${APP}:8443`,
    "null",
  ]) {
    assert.equal(allowedIn(await preflight(origin)), null, origin);
    const answer = await named.anonymous.call("GET", "/openapi.json", { headers: { origin } });
    assert.deepEqual([answer.status, allowedIn(answer)], [200, null], origin);
    assert.match(answer.headers.get("vary")!, /Origin/);
  }
});

test("an OPTIONS that is no preflight is answered as ever", async () => {
  const tenant = await named.newTenant();
  const answer = await tenant.call("OPTIONS", "/v1/tasks", { headers: { origin: APP } });
  assert.deepEqual([answer.status, answer.headers.get("allow")], [204, "GET, HEAD, OPTIONS, POST"]);
});

test("with * any page may, and never with credentials", async () => {
  const asked = await preflight("https://anywhere.test", any);
  assert.deepEqual([asked.status, allowedIn(asked)], [204, "*"]);
  assert.equal(asked.headers.get("access-control-allow-credentials"), null);
});

test("a function's URL says by itself whose pages may call it", async () => {
  const answer = await named.anonymous.call("OPTIONS", "/fn/default/nowhere", { headers: { origin: APP } });
  assert.equal(allowedIn(answer), null);
});

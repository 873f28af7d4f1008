import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp } from "../app.ts";
import { MAX_UNTAKEN_BYTES } from "../edge/untaken-responses.ts";
import { openApi } from "../testing/open-api.ts";
import { LONGEST_WAIT_MS } from "./shed-load.ts";

const api = await openApi();

const appWhereOthersWait = (waitMs: number) =>
  createApp({ ...api.parts, store: { ...api.store, longestWaitMs: () => waitMs } });

test("while others wait long for the database, who comes is told to come back, and nothing is made", async () => {
  const { key } = await api.newTenant();
  const app = appWhereOthersWait(LONGEST_WAIT_MS + 1);
  const before = await api.countRows();
  const task = { type: "http", url: "https://example.com/", schedule: { delay: "1h" } };
  for (const [path, body] of [
    ["/v1/tasks", task],
    ["/hooks/not-there", {}],
  ] as const) {
    const response = await app.request(path, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "2");
    const problem = (await response.json()) as { code: string };
    assert.equal(problem.code, "overloaded");
  }
  assert.deepEqual(await api.countRows(), before);
  assert.equal((await app.request("/healthz")).status, 200);
});

test("while others do not take their responses, who comes is told to come back", async () => {
  const { key } = await api.newTenant();
  const headers = { authorization: `Bearer ${key}` };
  const askWhereUntaken = (bytes: number) => {
    const edge = { ...api.parts.edge, untaken: { watch() {}, bytes: () => bytes } };
    return createApp({ ...api.parts, edge }).request("/v1/tasks", { headers });
  };
  assert.equal((await askWhereUntaken(MAX_UNTAKEN_BYTES)).status, 200);
  const refused = await askWhereUntaken(MAX_UNTAKEN_BYTES + 1);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "2");
  assert.equal(((await refused.json()) as { code: string }).code, "overloaded");
});

test("while nobody has waited so long everybody is served", async () => {
  const { key } = await api.newTenant();
  const app = appWhereOthersWait(LONGEST_WAIT_MS);
  const response = await app.request("/v1/tasks", { headers: { authorization: `Bearer ${key}` } });
  assert.equal(response.status, 200);
});

test("while connections that came back are still to be handed on everybody is served", async () => {
  const { key } = await api.newTenant();
  let waitMs = LONGEST_WAIT_MS + 1;
  const store = {
    ...api.store,
    longestWaitMs: () => {
      setImmediate(() => (waitMs = 0));
      return waitMs;
    },
  };
  const app = createApp({ ...api.parts, store });
  const response = await app.request("/v1/tasks", { headers: { authorization: `Bearer ${key}` } });
  assert.equal(response.status, 200);
});

test("a store tells how long who waits for a connection has waited, by whichever way it asks", async () => {
  const { pool, longestWaitMs } = api.store;
  const lent = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  assert.equal(longestWaitMs(), 0);
  const [queried, connected] = [pool.query("SELECT 1"), pool.connect()];
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(longestWaitMs() > 0);
  for (const client of lent) client.release();
  await queried;
  (await connected).release();
  assert.equal(longestWaitMs(), 0);
});

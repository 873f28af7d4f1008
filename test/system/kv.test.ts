/** What a function remembers, through the real roles. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startCluster } from "./cluster.ts";

const cluster = await startCluster({
  ...{ schedulers: 1, workers: 2 },
  env: { FUNCTION_MAX_KV_KEYS: "3" },
});
after(() => cluster.stop());

const { api } = cluster;
const deploy = (name: string, source: string) =>
  api.call("PUT", `/v1/functions/${name}`, { source, public: true });
const at = async (path: string) => await (await fetch(`${api.url}/fn/default${path}`)).text();

test("twenty callers at once lose no count, over two workers", async () => {
  await deploy(
    "counter",
    `export default { async fetch(_request, _env, { kv }) {
      for (;;) {
        const entry = await kv.getEntry("count");
        const next = (entry?.value ?? 0) + 1;
        if ((await kv.set("count", next, { ifVersion: entry?.version ?? null })).ok) return new Response(String(next));
      }
    } };`,
  );
  const seen = await Promise.all(Array.from({ length: 20 }, () => at("/counter")));
  assert.deepEqual(
    seen.map(Number).toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, n) => n + 1),
  );
});

test("a new revision remembers what the old one did, another function does not", async () => {
  const keep = (word: string) => `export default { async fetch(request, _env, { kv }) {
    if (request.url.endsWith("/set")) await kv.set("word", "${word}");
    return new Response(await kv.get("word") ?? "nothing");
  } };`;
  await deploy("keeper", keep("first"));
  assert.equal(await at("/keeper/set"), "first");
  await deploy("keeper", keep("second"));
  assert.equal(await at("/keeper"), "first");
  await deploy("other", keep("other"));
  assert.equal(await at("/other"), "nothing");
  await api
    .call("DELETE", "/v1/functions/keeper")
    .catch((error: Error) => assert.match(error.message, /JSON/));
  await deploy("keeper", keep("third"));
  assert.equal(await at("/keeper"), "nothing", "what a removed function remembered is gone");
});

test("the quota holds, and says so by its code", async () => {
  await deploy(
    "hoarder",
    `export default { async fetch(_request, _env, { kv }) {
      const said = [];
      for (const key of ["a", "b", "c", "d"])
        said.push(await kv.set(key, 1).then(() => "ok", (error) => error.code));
      return Response.json(said);
    } };`,
  );
  assert.deepEqual(JSON.parse(await at("/hoarder")), ["ok", "ok", "ok", "kv_quota_exceeded"]);
});

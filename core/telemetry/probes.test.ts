import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { createRegistry } from "./metrics/registry.ts";
import { answerProbes, createProbes, listen } from "./probes.ts";

const away = () => Promise.reject(new Error("is away"));

test("readiness is decided by its checks; what is reported stands beside them", async () => {
  const registry = createRegistry("test");
  const ready = createProbes(
    registry,
    { database: () => {} },
    { queue: away, sandbox: () => ({ missing: [] }) },
  );
  const answer = (await ready("/readyz"))!;
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.body), {
    status: "ready",
    checks: { database: "ok", queue: "is away", sandbox: { missing: [] } },
  });
  const unready = createProbes(registry, { database: away });
  assert.equal((await unready("/readyz"))!.status, 503);
  assert.equal((await unready("/healthz"))!.status, 200);
  assert.equal(await unready("/other"), undefined);
});

test("probes are answered over HTTP, metrics included, and 404 for the rest", async () => {
  const answer = answerProbes(createProbes(createRegistry("test"), {}));
  const server = await listen(createServer(answer), "127.0.0.1", 0);
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  assert.match(await (await get("/metrics")).text(), /process_cpu_seconds_total\{role="test"\}/);
  assert.equal((await get("/nothing")).status, 404);
  await server.close();
});

test("a probe is the same with a slash at its end, with a query and as a whole URL", async () => {
  const server = await listen(
    createServer(answerProbes(createProbes(createRegistry("test"), {}))),
    "127.0.0.1",
    0,
  );
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  for (const path of ["/healthz/", "/readyz/", "/metrics/", "/healthz/?verbose", "/healthz?verbose"])
    assert.equal((await get(path)).status, 200, path);
  for (const path of ["/", "//", "/healthz//", "/healthz/x"])
    assert.equal((await get(path)).status, 404, path);
  await server.close();
});

test("a client that stalls does not hold up the end", async () => {
  const server = createServer((_request, response) => response.end());
  const listening = await listen(server, "127.0.0.1", 0, 20);
  const stalled = connect(listening.port, "127.0.0.1");
  const arrived = once(server, "connection");
  await once(stalled, "connect");
  await arrived;
  const cut = once(stalled, "close");
  stalled.on("error", () => {});
  stalled.write("GET / HTTP/1.1\r\nContent-Length: 100\r\n");
  await listening.close();
  await cut;
});

test("a port that is taken is said with what to do", async () => {
  const first = await listen(createServer(), "127.0.0.1", 0);
  await assert.rejects(
    () => listen(createServer(), "127.0.0.1", first.port),
    /is taken: set PORT to another one/,
  );
  await first.close();
});

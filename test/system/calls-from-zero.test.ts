/** Callers who come while no worker stands: one is started for them and they are handed to it, streams and all. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { portOf, readSample, startCluster } from "./cluster.ts";

const cluster = await startCluster({ schedulers: 1, workers: 0 });
after(() => cluster.stop());
const { api } = cluster;
const autoscaler = await cluster.startAutoscaler({ WORKERS_IDLE_AFTER: "1s", WORKERS_MAX: "2" });
after(() => autoscaler.stop());

interface WireRun {
  id: string;
  state: string;
  function: string | null;
  trigger: string;
  result: { status: number; bodyBytes?: number };
}

const deploy = (name: string, source: string, options: object = {}) =>
  api.call("PUT", `/v1/functions/${name}`, { source, public: true, ...options });
const at = (path: string, init?: RequestInit) => fetch(`${api.url}/fn/default${path}`, init);
const runOf = (response: Response) =>
  api.call<WireRun>("GET", `/v1/runs/${response.headers.get("bellhop-run-id")}`);
const runsOf = async (name: string) => {
  const { items } = await api.call<{ items: WireRun[] }>("GET", "/v1/runs?limit=200");
  return items.filter((run) => run.function === name);
};
const countStarts = () => readSample(autoscaler, 'bellhop_autoscaler_worker_starts_total{role="autoscaler"}');

/** No worker's process is left. */
const untilNobodyWorks = () =>
  until(async () => {
    const answer = await fetch(`http://127.0.0.1:${portOf(autoscaler)}/targets`);
    return ((await answer.json()) as unknown[]).length === 0 ? true : undefined;
  });

const ENDLESS = `
  const encoder = new TextEncoder();
  export default {
    fetch() {
      let n = 0;
      return new Response(new ReadableStream({
        async pull(controller) {
          if (n > 0) await new Promise((resolve) => setTimeout(resolve, 50));
          controller.enqueue(encoder.encode("chunk " + n++ + "\\n"));
        },
      }));
    },
  };`;

for (const isPublic of [true, false]) {
  test(`an endless stream of ${isPublic ? "a public" : "a private"} function sends its first chunk, and its run ends when its caller has left`, async () => {
    await deploy("endless", ENDLESS, { public: isPublic });
    await untilNobodyWorks();
    const leaving = new AbortController();
    const headers = isPublic ? undefined : { authorization: `Bearer ${api.key}` };
    const response = await at("/endless", { signal: leaving.signal, ...(headers && { headers }) });
    assert.equal(response.status, 200);
    const reader = response.body!.getReader();
    const first = await reader.read();
    assert.match(new TextDecoder().decode(first.value), /^chunk 0\n/);
    assert.equal((await runOf(response)).state, "running");
    leaving.abort();
    await reader.closed.catch(() => {});
    const ended = await until(async () => {
      const run = await runOf(response);
      return run.state === "running" ? undefined : run;
    });
    assert.ok(["succeeded", "cancelled", "failed"].includes(ended.state));
    assert.equal(ended.trigger, "http");
  });
}

test("a request of 5 MB and a response of 5 MB pass, whole", async () => {
  await deploy("echo", "export default { fetch: (request) => new Response(request.body) };");
  await untilNobodyWorks();
  const bytes = new Uint8Array(5_000_000).map((_, index) => index * 7);
  const response = await at("/echo", { method: "POST", body: bytes });
  assert.equal(response.status, 200);
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from(bytes));
  const run = await until(async () => {
    const found = await runOf(response);
    return found.state === "running" ? undefined : found;
  });
  assert.deepEqual([run.state, run.result], ["succeeded", { status: 200, bodyBytes: 5_000_000 }]);
});

test("a hundred callers at once are all answered, each by its own run, and start no more workers than they need", async () => {
  await deploy("many", "export default { fetch: (request) => new Response(request.url) };");
  await untilNobodyWorks();
  const before = await countStarts();
  const responses = await Promise.all(Array.from({ length: 100 }, (_, n) => at(`/many/${n}`)));
  assert.deepEqual(
    responses.map(({ status }) => status),
    responses.map(() => 200),
  );
  await Promise.all(responses.map((response) => response.text()));
  const ids = new Set(responses.map(({ headers }) => headers.get("bellhop-run-id")));
  assert.equal(ids.size, 100);
  const runs = await until(async () => {
    const ended = (await runsOf("many")).filter(({ state }) => state !== "running");
    return ended.length === 100 ? ended : undefined;
  });
  assert.ok(runs.every(({ id, state }) => ids.has(id) && state === "succeeded"));
  const started = (await countStarts()) - before;
  assert.ok(started >= 1 && started <= 2, `${started} workers were started`);
});

test("a caller who leaves while it waits leaves no run behind, and nothing waits for it", async () => {
  await autoscaler.stop();
  await deploy("left", "export default { fetch: () => new Response('too late') };");
  const demand = async () => {
    const answer = await fetch(`http://127.0.0.1:${portOf(cluster.schedulers[0]!)}/demand`);
    return ((await answer.json()) as { waitingCallers: number }).waitingCallers;
  };
  const leaving = new AbortController();
  const calling = at("/left", { method: "POST", body: "x", signal: leaving.signal });
  await until(async () => ((await demand()) === 1 ? true : undefined));
  leaving.abort();
  await assert.rejects(calling);
  await until(async () => ((await demand()) === 0 ? true : undefined));
  assert.deepEqual(await runsOf("left"), []);
});

/** A backlog of the largest inputs, and a worker with a small heap: it slows, and does not break. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually } from "./runs.ts";

const RUNS = 24;
/** Just below the two megabytes that a body may have; parsed, each takes some twenty times as much. */
const ITEMS = 640_000;
const INPUT = `[${Array.from({ length: ITEMS }, () => "[]").join(",")}]`;

let cluster: Cluster;
before(async () => {
  cluster = await startCluster({ schedulers: 0, workers: 0 });
});
after(() => cluster?.stop());

test("each of them is run, by a worker that could not hold them all", async () => {
  const { api } = cluster;
  await api.call("PUT", "/v1/functions/count", { source: "export default (input) => input.length" });
  for (let nth = 0; nth < RUNS; nth += 1) {
    const answer = await fetch(`${api.url}/v1/functions/count/invoke?maxAttempts=1`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${api.key}`,
        "content-type": "application/json",
        prefer: "respond-async",
      },
      body: INPUT,
    });
    assert.equal(answer.status, 202);
    await answer.body?.cancel();
  }
  const worker = await cluster.startWorker({ NODE_OPTIONS: "--max-old-space-size=200" });
  const states = await eventually(
    "every run has ended",
    async () => {
      const { items } = await api.call<{ items: { state: string }[] }>("GET", "/v1/runs?limit=100");
      return items.map(({ state }) => state);
    },
    (all) => all.length === RUNS && all.every((state) => /^(succeeded|failed)$/.test(state)),
    280_000,
  );
  assert.deepEqual(new Set(states), new Set(["succeeded"]));
  assert.ok(!worker.lines.some((line) => /heap out of memory/i.test(line)), "the worker ran out of memory");
});

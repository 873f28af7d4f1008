/** An operator closes what a namespace may call, while real roles serve it: http tasks and fetch alike, within a second. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createHttpSink } from "../support/http-sink.ts";
import { startCluster, waitForDirectCalls } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

const sink = await createHttpSink(() => ({ body: "here" }));
after(() => sink.close());
const cluster = await startCluster({ schedulers: 1, workers: 1 });
after(() => cluster.stop());
const { api } = cluster;
await waitForDirectCalls(api);

const SOURCE = `export default () => fetch(${JSON.stringify(sink.url)}).then((r) => r.text(), (e) => e.cause?.code ?? e.message);`;

async function runTask(): Promise<string> {
  const { id } = await api.call<{ id: string }>("POST", "/v1/tasks", {
    ...{ type: "http", method: "GET", url: sink.url, retry: { maxAttempts: 1 } },
  });
  const ended = await eventually(
    "the task's run",
    () => api.call<{ items: WireRun[] }>("GET", `/v1/runs?taskId=${id}`),
    ({ items }) => items[0] !== undefined && ["succeeded", "dead", "failed"].includes(items[0].state),
  );
  return ended.items[0]!.error?.code ?? "here";
}

test("what the namespace may call is obeyed by the next request", async () => {
  await api.call("PUT", "/v1/functions/caller", { source: SOURCE });
  const call = () => api.call<string>("POST", "/v1/functions/caller/invoke", {});
  assert.deepEqual([await call(), await runTask()], ["here", "here"]);
  await api.call("PUT", "/v1/namespaces/default/egress", { deny: ["127.0.0.0/8"] });
  await eventually("the function is refused", call, (answer) => answer === "address_blocked");
  assert.equal(await runTask(), "egress_blocked");
  await api.call("PUT", "/v1/namespaces/default/egress", { hosts: ["api.example.com"] });
  assert.deepEqual([await call(), await runTask()], ["address_blocked", "egress_blocked"]);
  await api.call("PUT", "/v1/namespaces/default/egress", {});
  await eventually("the function is answered again", call, (answer) => answer === "here");
  assert.equal(await runTask(), "here");
});

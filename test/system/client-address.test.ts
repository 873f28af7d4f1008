/** Whom a function is told that its request came from, through the real roles: callers cannot say it themselves. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { startCluster, waitForDirectCalls } from "./cluster.ts";

const cluster = await startCluster({ schedulers: 1, workers: 1 });
after(() => cluster.stop());
await waitForDirectCalls(cluster.api);

const told = `
  const tell = (request, client) => ({
    client, forwardedFor: request.headers.get("x-forwarded-for"), realIp: request.headers.get("x-real-ip"), cf: request.cf,
  });`;
const SOURCE = `${told}
  export default {
    fetch: (request, env, ctx) => Response.json(tell(request, ctx.client)),
    scheduled: (event, env, ctx) => ({ client: ctx.client ?? null }),
  };`;
await cluster.api.call("PUT", "/v1/functions/who", { source: SOURCE, public: true });

const FORGED = { "x-forwarded-for": "198.51.100.1, 203.0.113.9", "x-real-ip": "198.51.100.1" };
const seenAs = (address: string) => ({ client: { address }, forwardedFor: address, realIp: address, cf: {} });

async function ask(url: string): Promise<unknown> {
  const response = await fetch(`${url}/fn/default/who`, { headers: FORGED });
  return await response.json();
}

describe("the client's address", () => {
  test("is the other end of the connection, whatever the caller says", async () => {
    assert.deepEqual(await ask(cluster.api.url), seenAs("127.0.0.1"));
  });

  test("is what a trusted proxy says", async () => {
    const { client } = await cluster.startApi({ TRUSTED_PROXIES: "127.0.0.0/8, ::1" });
    await waitForDirectCalls(client);
    assert.deepEqual(await ask(client.url), seenAs("203.0.113.9"));
  });

  test("is the same for a call that waits in the queue, and for a hook", async () => {
    const { client } = await cluster.startApi({ CALL_WORKER_WAIT: "0s" });
    await Promise.all(cluster.workers.splice(0).map((worker) => worker.stop()));
    const queued = ask(client.url);
    const hook = await client.call<{ url: string }>("POST", "/v1/functions/who/hooks", { name: "one" });
    const { runId } = (await (
      await fetch(new URL(hook.url, client.url), { method: "POST", headers: FORGED })
    ).json()) as { runId: string };
    await until(async () => {
      const { items } = await client.call<{ items: { state: string }[] }>("GET", "/v1/runs?limit=5");
      return items.filter(({ state }) => state === "queued").length === 2 || undefined;
    });
    await cluster.startWorker();
    assert.deepEqual(await queued, seenAs("127.0.0.1"));
    const run = await until(async () => {
      const found = await client.call<{ state: string; result: { body: string } }>(
        "GET",
        `/v1/runs/${runId}`,
      );
      return found.state === "succeeded" ? found : undefined;
    });
    assert.deepEqual(JSON.parse(run.result.body), seenAs("127.0.0.1"));
  });

  test("is not there where no request made the run", async () => {
    assert.deepEqual(await cluster.api.call("POST", "/v1/functions/who/invoke", {}), { client: null });
  });
});

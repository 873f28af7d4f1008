/** A cancel reaches what runs, on either transport: the function's signal, and the connection of an http call. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { until } from "../../core/store/testing/test-store.ts";
import { testKafka } from "../support/kafka.ts";
import { createRecording } from "../support/recording.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import { eventually, type Listed, type WireRun } from "./runs.ts";

const ROUNDS = 3;
/** Of each worker. */
const SLOTS = 6;
/** What a cancel may take. The machine may be busy for a moment: the fastest of the rounds is held to it. */
/** A heartbeat would tell of it after minutes. */
const WITHIN_MS = 3_000;
const GRACE_MS = 5_000;

/** Tells that it has begun, then waits for its signal and logs when it came. */
const listening = (began: string) => `export default async (_input, ctx) => {
  const stopped = new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
  await fetch("${began}/" + ctx.runId);
  await stopped;
  ctx.log.info("stopped", { name: ctx.signal.reason.name });
  ctx.signal.throwIfAborted();
};`;
/** Knows its signal and goes on. */
const ignoring = (began: string) => `export default async (_input, ctx) => {
  ctx.signal.addEventListener("abort", () => {});
  await fetch("${began}/" + ctx.runId);
  await new Promise(() => {});
};`;

const kafka = await testKafka();

for (const transport of ["PostgreSQL", "Kafka"] as const) {
  const skip = transport === "Kafka" && "skip" in kafka ? kafka.skip : false;
  describe(`a cancel, on ${transport}`, { skip }, () => {
    const began = createRecording<string>("beginning");
    const closed = createRecording<{ path: string; at: number }>("connection's end");
    let server: Server;
    let url: string;
    let cluster: Cluster;

    before(async () => {
      server = createServer((request, response) => {
        const path = request.url!;
        if (path.startsWith("/began/")) response.end();
        else response.on("close", () => closed.add({ path, at: Date.now() }));
        began.add(path);
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      cluster = await startCluster({
        ...(transport === "Kafka" && "brokers" in kafka ? { brokers: kafka.brokers } : {}),
        ...{ schedulers: 0, workers: 2 },
        // No heartbeat finds it: the bell alone.
        env: { WORKER_LEASE: "10m", WORKER_SLOTS: `${SLOTS}` },
      });
      await waitForDirectCalls(cluster.api);
      const sources = { listening: listening(`${url}/began`), ignoring: ignoring(`${url}/began`) };
      for (const [name, source] of Object.entries(sources))
        await cluster.api.call("PUT", `/v1/functions/${name}`, { source });
    });

    after(async () => {
      await cluster?.stop();
      server?.closeAllConnections();
      server?.close();
    });

    const cancel = (runId: string) => cluster.api.call<WireRun>("POST", `/v1/runs/${runId}/cancel`);
    const whenBegun = (runId: string) => began.waitFor((path) => path === `/began/${runId}`);
    const cancelled = (runId: string) =>
      eventually(
        "it is cancelled",
        () => cluster.api.call<WireRun>("GET", `/v1/runs/${runId}`),
        ({ state }) => state === "cancelled",
      );
    const run = async (task: object) =>
      (await cluster.api.call<{ runId: string }>("POST", "/v1/tasks", task)).runId;
    const invoke = (name: string, headers = {}) =>
      fetch(`${cluster.api.url}/v1/functions/${name}/invoke`, {
        ...{ method: "POST", headers: { authorization: `Bearer ${cluster.api.key}`, ...headers } },
      });

    /** When the function heard of it. */
    async function heardAt(runId: string): Promise<number> {
      const { items } = await cluster.api.call<
        Listed<{ at: string; message: string; fields: { name?: string } }>
      >("GET", `/v1/runs/${runId}/logs`);
      const [line] = items.filter(({ message }) => message === "stopped");
      assert.equal(line?.fields.name, "AbortError");
      return Date.parse(line.at);
    }

    /** The fastest of some rounds, each of which answers how long it took. */
    async function fastest(round: (index: number) => Promise<number>): Promise<number> {
      const tookMs: number[] = [];
      for (let index = 0; index < ROUNDS; index += 1) tookMs.push(await round(index));
      return Math.min(...tookMs);
    }

    it("closes the connection of an http call", async (t) => {
      const tookMs = await fastest(async (index) => {
        const path = `/hang/${index}`;
        const runId = await run({ type: "http", url: url + path, timeout: "5m" });
        await began.waitFor((begun) => begun === path);
        const askedAt = Date.now();
        await cancel(runId);
        const [end] = await closed.waitFor((each) => each.path === path);
        assert.equal((await cancelled(runId)).attempts.length, 1);
        return end!.at - askedAt;
      });
      t.diagnostic(`${tookMs} ms`);
      assert.ok(tookMs < WITHIN_MS, `${tookMs} ms`);
    });

    for (const [what, start] of [
      ["a task's function", () => run({ type: "function", function: "listening", timeout: "5m" })],
      [
        "an invocation that waits in the queue",
        async () => {
          const answer = await invoke("listening", { prefer: "respond-async" });
          return ((await answer.json()) as { runId: string }).runId;
        },
      ],
    ] as const) {
      it(`reaches the signal of ${what}`, async (t) => {
        const tookMs = await fastest(async () => {
          const runId = await start();
          await whenBegun(runId);
          const askedAt = Date.now();
          await cancel(runId);
          await cancelled(runId);
          return (await heardAt(runId)) - askedAt;
        });
        t.diagnostic(`${tookMs} ms`);
        assert.ok(tookMs < WITHIN_MS, `${tookMs} ms`);
      });
    }

    it("reaches the signal of a direct call, whose caller hears of it", async (t) => {
      const tookMs = await fastest(async (index) => {
        const seen = began.items.length;
        const calling = invoke("listening");
        const begun = await began.waitFor(() => true, { count: seen + 1 });
        const runId = begun.at(-1)!.slice("/began/".length);
        // It is shown once it has lasted a moment.
        await until(() => cluster.api.call("GET", `/v1/runs/${runId}`).catch(() => undefined));
        const askedAt = Date.now();
        await cancel(runId);
        const answer = await calling;
        const { code } = (await answer.json()) as { code: string };
        assert.deepEqual(
          [answer.status, code, answer.headers.get("bellhop-run-id")],
          [409, "run_cancelled", runId],
          `round ${index}`,
        );
        return (await heardAt(runId)) - askedAt;
      });
      t.diagnostic(`${tookMs} ms`);
      assert.ok(tookMs < WITHIN_MS, `${tookMs} ms`);
    });

    it("ends a function that ignores its signal", async (t) => {
      const tookMs = await fastest(async () => {
        const runId = await run({ type: "function", function: "ignoring", timeout: "5m" });
        await whenBegun(runId);
        const askedAt = Date.now();
        await cancel(runId);
        return Date.parse((await cancelled(runId)).finishedAt) - askedAt;
      });
      t.diagnostic(`${tookMs} ms`);
      assert.ok(tookMs < GRACE_MS, `${tookMs} ms`);
    });

    it("reaches the runs of every worker, all of a task", async () => {
      const task = await cluster.api.call<{ id: string; runId: string }>("POST", "/v1/tasks", {
        ...{ type: "function", function: "listening", timeout: "5m" },
      });
      const runIds = [task.runId];
      while (runIds.length < 2 * SLOTS)
        runIds.push((await cluster.api.call<WireRun>("POST", `/v1/tasks/${task.id}/run`)).id);
      await Promise.all(runIds.map(whenBegun));
      await cluster.api.call("POST", `/v1/tasks/${task.id}/cancel`);
      const workers = new Set<string>();
      for (const runId of runIds) {
        workers.add((await cancelled(runId)).workerId);
        await heardAt(runId);
      }
      assert.equal(workers.size, 2);
    });
  });
}

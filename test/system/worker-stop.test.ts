/** A worker that is stopped in the middle of its work: what it runs is stopped, and goes on elsewhere. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { testKafka } from "../support/kafka.ts";
import { PATIENT_STOP_MS, type RunningProcess } from "../support/processes.ts";
import { createRecording } from "../support/recording.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

/** What a worker sent of a run. */
interface Sent {
  path: string;
  response: ServerResponse;
  /** Resolves when its connection is gone. */
  closed: Promise<unknown>;
}

const kafka = await testKafka();

for (const transport of ["PostgreSQL", "Kafka"] as const) {
  const skip = transport === "Kafka" && "skip" in kafka ? kafka.skip : false;
  describe(`a worker that is stopped, on ${transport}`, { skip }, () => {
    const sent = createRecording<Sent>("request");
    let server: Server;
    let url: string;
    let cluster: Cluster;
    let worker: RunningProcess;

    before(async () => {
      server = createServer((request, response) => {
        sent.add({ path: request.url!, response, closed: once(response, "close") });
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      cluster = await startCluster({
        ...(transport === "Kafka" && "brokers" in kafka ? { brokers: kafka.brokers } : {}),
        ...{ schedulers: 0, workers: 1 },
        // No rescue: what is not given back stays.
        env: { WORKER_LEASE: "10m", WORKER_DRAIN: "0s" },
      });
      worker = cluster.workers[0]!;
      const source = `export default async (_input, ctx) => {
        const answer = await fetch("${url}/function");
        return { attempt: ctx.attempt, said: await answer.text() };
      };`;
      await cluster.api.call("PUT", "/v1/functions/asks", { source });
    });

    after(async () => {
      await cluster?.stop();
      server?.closeAllConnections();
      server?.close();
    });

    const run = async (task: object) =>
      (await cluster.api.call<{ runId: string }>("POST", "/v1/tasks", { ...task, timeout: "5m" })).runId;
    const nth = async (path: string, count: number) =>
      (await sent.waitFor((each) => each.path === path, { count })).at(-1)!;
    const succeeded = (runId: string) =>
      eventually(
        "it has succeeded",
        () => cluster.api.call<WireRun>("GET", `/v1/runs/${runId}`),
        ({ state }) => state === "succeeded",
      );

    it("gives back an http call, a function, and an invocation that somebody waits for: each costs no attempt", async () => {
      const http = await run({ type: "http", url: `${url}/http` });
      const asked = await run({ type: "function", function: "asks" });
      // Under a key the call goes through the queue.
      const waiting = fetch(`${cluster.api.url}/v1/functions/asks/invoke`, {
        method: "POST",
        headers: { authorization: `Bearer ${cluster.api.key}`, "idempotency-key": "one" },
      });
      const before = await Promise.all([nth("/http", 1), nth("/function", 1), nth("/function", 2)]);
      await worker.stop(PATIENT_STOP_MS);
      await Promise.all(before.map(({ closed }) => closed));
      await cluster.startWorker();
      const again = await Promise.all([nth("/http", 2), nth("/function", 3), nth("/function", 4)]);
      for (const { response } of again) response.end("once more");
      const answer = await waiting;
      assert.deepEqual([answer.status, await answer.json()], [200, { attempt: 1, said: "once more" }]);
      const runIds = [http, asked, answer.headers.get("bellhop-run-id")!];
      const workers = new Set<string>();
      for (const runId of runIds) {
        const { attempts } = await succeeded(runId);
        assert.deepEqual([attempts.length, attempts[0]?.attempt, attempts[0]?.error], [1, 1, null]);
        workers.add(attempts[0]!.workerId);
      }
      assert.equal(workers.size, 1);
    });
  });
}

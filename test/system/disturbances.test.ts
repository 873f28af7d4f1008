/** A scheduler that freezes, a worker that is killed, a broker that dies: nothing is lost and nothing fires twice. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type KafkaBroker, startKafkaBroker } from "../kafka/broker.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { assertFiredOnce, describeLateness, eventually, listAllRuns, type WireRun } from "./runs.ts";

const kafka = await testKafka();
const skip = "skip" in kafka ? kafka.skip : false;

describe("disturbances", { skip }, () => {
  let cluster: Cluster;
  let sink: HttpSink;
  let broker: KafkaBroker;
  let dir: string;

  before(async () => {
    // A broker of its own: the one of the other tests stays alive.
    dir = await mkdtemp(join(tmpdir(), "bellhop-broker-"));
    broker = await startKafkaBroker({ dir });
    sink = await createHttpSink();
    // The usual lease: a machine that stands still for longer than a short one has its runs rescued, and called again.
    cluster = await startCluster({ brokers: broker.brokers, schedulers: 2, workers: 2 });
  });

  after(async () => {
    await cluster?.stop();
    await Promise.all([sink?.close(), broker?.stop()]);
    await rm(dir, { recursive: true, force: true });
  });

  /** One http task every 20 ms, the first in 2.5 s; returns their ids. */
  async function scheduleSpread(count: number, path: string): Promise<Set<string>> {
    const firstMs = Date.now() + 2_500;
    const tasks = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        cluster.api.call<{ id: string }>("POST", "/v1/tasks", {
          type: "http",
          url: `${sink.url}${path}`,
          schedule: { at: new Date(firstMs + index * 20).toISOString() },
        }),
      ),
    );
    return new Set(tasks.map(({ id }) => id));
  }

  async function waitForAll(tasks: Set<string>): Promise<WireRun[]> {
    const ours = async () =>
      (await listAllRuns(cluster.api, "/v1/runs")).filter(({ taskId }) => tasks.has(taskId));
    const isDone = (runs: WireRun[]) =>
      runs.filter(({ state }) => state === "succeeded").length >= tasks.size;
    return await eventually(`${tasks.size} runs`, ours, isDone);
  }

  function assertHitOnce(path: string, runs: WireRun[]): void {
    const hits = Map.groupBy(
      sink.requests.filter(({ url }) => url === path),
      ({ headers }) => headers["bellhop-run-id"] as string,
    );
    const uneven = runs.filter(({ id }) => hits.get(id)?.length !== 1);
    const told = uneven.map((run) => ({
      ...{ id: run.id, scheduledFor: run.scheduledFor, attempts: run.attempts },
      hits: hits.get(run.id)?.map(({ at, headers }) => ({
        at: new Date(at).toISOString(),
        attempt: headers["bellhop-attempt"],
      })),
    }));
    assert.equal(uneven.length, 0, `not called exactly once: ${JSON.stringify(told, null, 2)}`);
    assert.equal(hits.size, runs.length, "calls of runs that nobody knows");
  }

  it("a scheduler frozen in the middle (SIGSTOP) delays what it held and nothing else", async (t) => {
    const tasks = await scheduleSpread(150, "/frozen");
    const frozen = cluster.schedulers[0]!;
    await sink.waitFor(({ url }) => url === "/frozen", { count: 30 });
    frozen.signal("SIGSTOP");
    const runs = await waitForAll(tasks);
    frozen.signal("SIGCONT");
    assert.equal(runs.length, tasks.size);
    assertFiredOnce(runs);
    assertHitOnce("/frozen", runs);
    t.diagnostic(describeLateness(runs));
  });

  it("a broker killed and started again only slows", async (t) => {
    const tasks = await scheduleSpread(150, "/broker");
    await sink.waitFor(({ url }) => url === "/broker", { count: 30 });
    await broker.kill();
    await sink.waitFor(({ url }) => url === "/broker", { count: 90 });
    await broker.restart();
    const runs = await waitForAll(tasks);
    assert.equal(runs.length, tasks.size);
    assertFiredOnce(runs);
    assertHitOnce("/broker", runs);
    t.diagnostic(describeLateness(runs));
  });

  it("a worker killed in mid-run (SIGKILL): the run is rescued after its lease and finishes elsewhere", async () => {
    let hits = 0;
    sink.reply = async ({ url }) => {
      if (url !== "/slow") return { status: 200 };
      hits += 1;
      // The first worker never gets its answer: it is dead by then.
      return hits === 1 ? { status: 200, body: "late", delayMs: 60_000 } : { status: 200, body: "ok" };
    };
    // The one that dies has a lease that is soon over; the one that takes the run on cannot lose it to a slow machine.
    await Promise.all(cluster.workers.map((worker) => worker.stop()));
    const owner = await cluster.startWorker({ WORKER_LEASE: "5s" });
    const task = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", {
      type: "http",
      url: `${sink.url}/slow`,
      retry: { maxAttempts: 3, backoff: { initial: "100ms" } },
    });
    await sink.waitFor(({ url }) => url === "/slow", { count: 1 });
    const [running] = await eventually(
      "the run to show as running",
      () => listAllRuns(cluster.api, `/v1/tasks/${task.id}/runs`),
      ([run]) => run?.state === "running",
    );
    await cluster.startWorker();
    owner.signal("SIGKILL");
    const [run] = await eventually(
      "the run to finish elsewhere",
      () => listAllRuns(cluster.api, `/v1/tasks/${task.id}/runs`),
      ([only]) => only?.state === "succeeded",
    );
    assert.equal(run!.id, running!.id);
    assert.equal(run!.attempt, 2);
    assert.notEqual(run!.workerId, running!.workerId);
    assert.deepEqual(
      run!.attempts.map(({ error }) => error?.code ?? null),
      ["worker_lost", null],
    );
  });
});

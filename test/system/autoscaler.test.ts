/** The autoscaler on real parts: from zero to a worker and back, ahead of an instant, and never at a run's expense. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { createHttpSink, type HttpSink, type SinkReply } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import type { RunningProcess } from "../support/processes.ts";
import { type Cluster, portOf, readSample, startCluster } from "./cluster.ts";
import { eventually, type Listed, type WireRun } from "./runs.ts";

const kafka = await testKafka();
const transports = [
  { name: "postgres", skip: false, options: {} },
  {
    name: "kafka",
    skip: "skip" in kafka ? kafka.skip : false,
    options: "brokers" in kafka ? { brokers: kafka.brokers } : {},
  },
];

interface ListedWorker {
  id: string;
  pid: number;
  since: string;
  draining: boolean;
}

for (const { name, skip, options } of transports) {
  describe(`the autoscaler on ${name}`, { skip }, () => {
    let cluster: Cluster;
    let sink: HttpSink;

    before(async () => {
      sink = await createHttpSink();
      cluster = await startCluster({ ...options, schedulers: 1, workers: 0 });
    });

    const processes: RunningProcess[] = [];
    async function startAutoscaler(env: Record<string, string>): Promise<RunningProcess> {
      const autoscaler = await cluster.startAutoscaler(env);
      processes.push(autoscaler);
      return autoscaler;
    }

    /** One that fails leaves nobody to the next. */
    afterEach(async () => {
      sink.reply = () => ({});
      await Promise.all(processes.splice(0).map((each) => each.stop()));
    });

    after(async () => {
      await cluster?.stop();
      await sink?.close();
    });

    /** An http task; its run is the answer's caller, and waits for it however slow the machine is. */
    async function createTask(path: string, schedule?: object): Promise<string> {
      const url = `${sink.url}${path}`;
      const task = { type: "http", url, timeout: "10m", ...(schedule ? { schedule } : {}) };
      return (await cluster.api.call<{ id: string }>("POST", "/v1/tasks", task)).id;
    }

    async function waitForRun(taskId: string, state = "succeeded"): Promise<WireRun> {
      const ask = () => cluster.api.call<Listed<WireRun>>("GET", `/v1/tasks/${taskId}/runs`);
      const { items } = await eventually(`a ${state} run`, ask, (runs) => runs.items[0]?.state === state);
      return items[0]!;
    }

    const listWorkers = async () =>
      (await cluster.api.call<Listed<ListedWorker>>("GET", "/v1/workers")).items;
    const waitForNone = () => eventually("no worker", listWorkers, (workers) => workers.length === 0);

    it("a queued run starts a worker from zero, and the last one goes after the grace", async () => {
      const autoscaler = await startAutoscaler({ WORKERS_IDLE_AFTER: "1s" });
      assert.deepEqual(await listWorkers(), []);
      assert.deepEqual(await ask(autoscaler, "/targets"), []);
      // Its worker is there for as long as the run is.
      const held = Promise.withResolvers<SinkReply>();
      sink.reply = () => held.promise;
      const taskId = await createTask("/one");
      await sink.waitFor(({ url }) => url === "/one");
      // A worker may have begun its first run before it says that it is up.
      await autoscaler.waitForLine(/"a worker is up"/);
      const targets = (await ask(autoscaler, "/targets")) as { targets: string[] }[];
      const probes = await fetch(`http://${targets[0]!.targets[0]}/metrics`);
      assert.match(await probes.text(), /process_cpu_seconds_total\{role="worker"\}/);
      held.resolve({});
      const run = await waitForRun(taskId);
      assert.equal(run.attempt, 1);
      await autoscaler.waitForLine(/"workers":0,"before":1,.*"msg":"scaled"/);
      await waitForNone();
      assert.equal(
        await readSample(autoscaler, 'bellhop_autoscaler_workers{state="up",role="autoscaler"}'),
        0,
      );
      assert.equal(
        await readSample(autoscaler, 'bellhop_autoscaler_worker_starts_total{role="autoscaler"}'),
        1,
      );
    });

    it("a worker that is scaled down finishes its long run, whatever its drain", async () => {
      const answers = new Map<string, (reply: SinkReply) => void>();
      sink.reply = ({ url }) => new Promise((resolve) => answers.set(url, resolve));
      const older = await cluster.startWorker({ WORKER_SLOTS: "1" });
      processes.push(older);
      const first = await createTask("/first");
      await sink.waitFor(({ url }) => url === "/first");
      // The older worker is full: the second run has one of the autoscaler's, which is wanted only while both run.
      const autoscaler = await startAutoscaler({
        ...{ WORKERS_IDLE_AFTER: "1s", WORKER_SLOTS: "1", WORKER_DRAIN: "0ms" },
      });
      const second = await createTask("/second");
      await sink.waitFor(({ url }) => url === "/second");
      answers.get("/first")!({});
      await waitForRun(first);
      await autoscaler.waitForLine(/worker retires/);
      await eventually("a draining worker", listWorkers, (all) => all.some(({ draining }) => draining));
      assert.equal(
        await readSample(autoscaler, 'bellhop_autoscaler_workers{state="retiring",role="autoscaler"}'),
        1,
      );

      answers.get("/second")!({});
      const run = await waitForRun(second);
      assert.deepEqual([run.attempt, run.attempts.length], [1, 1]);
      assert.equal(sink.requests.filter(({ url }) => url === "/second").length, 1);
      await eventually("its end", listWorkers, (all) => all.length === 1);
    });

    // What follows does not depend on how bells travel.
    if (name !== "postgres") return;

    it("an instant that is known finds its worker up", async () => {
      const autoscaler = await startAutoscaler({ WORKERS_AHEAD: "14s", WORKERS_IDLE_AFTER: "1s" });
      const at = new Date(Date.now() + 15_000).toISOString();
      const run = await waitForRun(await createTask("/ahead", { at }));
      const up = autoscaler.logs.find(({ msg }) => msg === "a worker is up");
      assert.ok(Date.parse(up!["time"] as string) < Date.parse(run.scheduledFor), "the worker came late");
      assert.equal(run.workerId, up!["workerId"], "no other worker had to start for it");
      assert.ok(run.startedAt >= run.scheduledFor);
      assert.equal(
        await readSample(autoscaler, 'bellhop_autoscaler_worker_starts_total{role="autoscaler"}'),
        1,
      );
    });

    it("two autoscalers answer one demand once, and share one that is too much for either", async () => {
      const env = { WORKERS_IDLE_AFTER: "1s", WORKERS_MAX: "2", WORKER_SLOTS: "1" };
      const both = await Promise.all([startAutoscaler(env), startAutoscaler(env)]);
      const assertStarts = async (expected: number) => {
        const each = both.map((one) =>
          readSample(one, 'bellhop_autoscaler_worker_starts_total{role="autoscaler"}'),
        );
        const starts = (await Promise.all(each)).reduce((sum, count) => sum + count);
        const told = both.map(({ logs }) => logs.map((line) => JSON.stringify(line)).join("\n"));
        assert.equal(starts, expected, told.join("\n\n"));
      };
      await waitForRun(await createTask("/alone"));
      await waitForNone();
      await assertStarts(1);

      const held = Promise.withResolvers<SinkReply>();
      sink.reply = () => held.promise;
      const tasks = await Promise.all(["/a", "/b", "/c"].map((path) => createTask(path)));
      await sink.waitFor(({ url }) => ["/a", "/b", "/c"].includes(url), { count: 3 });
      assert.equal((await listWorkers()).length, 3);
      held.resolve({});
      await Promise.all(tasks.map((task) => waitForRun(task)));
      await waitForNone();
      await assertStarts(4);
    });

    it("a worker that is killed is replaced", async () => {
      const autoscaler = await startAutoscaler({ WORKERS_MIN: "1" });
      await autoscaler.waitForLine(/a worker is up/);
      const [killed] = await listWorkers();
      process.kill(killed!.pid, "SIGKILL");
      await autoscaler.waitForLine(/"detail":"signal SIGKILL"/);
      const isAnother = (line: string) => line.includes("a worker is up") && !line.includes(killed!.id);
      await autoscaler.waitForLine(isAnother);
      await autoscaler.stop();
      await eventually("its end", listWorkers, (all) => all.every(({ id }) => id === killed!.id));
    });
  });
}

async function ask(role: RunningProcess, path: string): Promise<unknown> {
  return await (await fetch(`http://127.0.0.1:${portOf(role)}${path}`)).json();
}

/** Workers that are sent CloudEvents, as Knative does it: a stand-in for its KafkaSource, real Kafka, real roles. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { nameQueues } from "../../core/queue/names.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import { type KafkaSource, startKafkaSource } from "../support/kafka-source.ts";
import type { RunningProcess } from "../support/processes.ts";
import { type Cluster, portOf, readSample, startCluster } from "./cluster.ts";
import { assertFiredOnce, describeLateness, eventually, listAllRuns, type WireRun } from "./runs.ts";

const kafka = await testKafka();
const brokers = "brokers" in kafka ? kafka.brokers : "";
const prefix = `test-${randomBytes(4).toString("hex")}`;
const { topics, groups } = nameQueues(prefix);
const SLOTS = 4;

describe("workers that receive events", { skip: "skip" in kafka ? kafka.skip : false }, () => {
  let cluster: Cluster;
  let sink: HttpSink;
  let source: KafkaSource;
  /** Those that the source sends to. */
  const ready = new Set<RunningProcess>();

  async function startReceiver(): Promise<RunningProcess> {
    const worker = await cluster.startWorker({ WORKER_RECEIVE: "events" });
    ready.add(worker);
    return worker;
  }

  before(async () => {
    sink = await createHttpSink();
    cluster = await startCluster({
      brokers,
      schedulers: 1,
      workers: 0,
      env: {
        KAFKA_TOPIC_PREFIX: prefix,
        WORKER_SLOTS: String(SLOTS),
        WORKER_EVENTS_WINDOW: "1m",
        WORKER_DRAIN: "200ms",
      },
    });
    await Promise.all([startReceiver(), startReceiver()]);
    const code = "export default (input) => ({ doubled: input.n * 2 });";
    await cluster.api.call("PUT", "/v1/functions/double", { source: code });
  });

  after(async () => {
    await source?.stop();
    await cluster?.stop();
    await sink?.close();
  });

  const createTask = async (spec: object) =>
    (await cluster.api.call<{ id: string }>("POST", "/v1/tasks", spec)).id;

  /** The runs of these tasks, once each has one that has succeeded. */
  async function waitForRuns(taskIds: string[]): Promise<WireRun[]> {
    const wanted = new Set(taskIds);
    return await eventually(
      `${taskIds.length} runs`,
      async () => (await listAllRuns(cluster.api, "/v1/runs")).filter(({ taskId }) => wanted.has(taskId)),
      (runs) => runs.filter(({ state }) => state === "succeeded").length >= taskIds.length,
    );
  }

  const workerIdOf = (worker: RunningProcess) =>
    worker.logs.find(({ msg }) => msg === "worker started")?.["workerId"] as string;
  const runOf = async (taskId: string) =>
    (await listAllRuns(cluster.api, `/v1/tasks/${taskId}/runs`))[0] as WireRun | undefined;
  const deliveriesOf = (runId: string) => source.deliveries.items.filter((each) => each.runId === runId);

  it("consumes nothing by itself, and says so in its log", async (t) => {
    const admin = new Kafka({ clientId: "outside", brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    t.after(() => admin.disconnect());
    const { groups: described } = await admin.describeGroups(Object.values(groups));
    assert.deepEqual(
      described.map(({ members }) => members.length),
      [0, 0],
    );
    for (const worker of ready) assert.ok(worker.logs.some(({ receive }) => receive === "events"));
    source = await startKafkaSource({
      ...{ brokers, topic: topics.runs, groupId: groups.runs },
      listSinks: () => [...ready].map((worker) => `http://127.0.0.1:${portOf(worker)}/`),
    });
  });

  it("runs of every type succeed once, each in an event that waited for its end", async (t) => {
    const at = new Date(Date.now() + 2_000).toISOString();
    const schedules = [undefined, { delay: "1s" }, { at }];
    const taskIds = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        createTask({
          ...(n % 2 === 0
            ? { type: "http", url: `${sink.url}/hit` }
            : { type: "function", function: "double", input: { n } }),
          ...(schedules[n % 3] ? { schedule: schedules[n % 3] } : {}),
        }),
      ),
    );
    const runs = await waitForRuns(taskIds);
    assert.equal(runs.length, taskIds.length);
    assertFiredOnce(runs);
    const hits = sink.requests.map(({ headers }) => headers["bellhop-run-id"] as string);
    assert.deepEqual(
      hits.sort(),
      runs
        .filter(({ type }) => type === "http")
        .map(({ id }) => id)
        .sort(),
    );
    const ids = new Set(runs.map(({ id }) => id));
    const recorded = await source.deliveries.waitFor(
      ({ runId, outcome }) => ids.has(runId) && outcome === "recorded",
      { count: runs.length },
    );
    assert.equal(new Set(recorded.map(({ runId }) => runId)).size, runs.length);
    const receivers = new Set([...ready].map(workerIdOf));
    assert.ok(runs.every(({ workerId }) => receivers.has(workerId)));
    t.diagnostic(describeLateness(runs));
  });

  it("more than there are slots for is answered 429, comes again, and none is lost", async (t) => {
    // Answered only when every slot of both workers has a request: whatever comes then finds them full.
    const isFull = sink.waitFor(({ url }) => url === "/busy", { count: 2 * SLOTS });
    sink.reply = async ({ url }) => {
      if (url === "/busy") {
        await isFull;
        await source.deliveries.waitFor(({ status }) => status === 429);
      }
      return {};
    };
    const taskIds = await Promise.all(
      Array.from({ length: 60 }, () => createTask({ type: "http", url: `${sink.url}/busy` })),
    );
    const runs = await waitForRuns(taskIds);
    assert.equal(runs.length, taskIds.length);
    assertFiredOnce(runs);
    assert.ok(runs.every(({ attempt }) => attempt === 1));
    const hits = sink.requests.filter(({ url }) => url === "/busy");
    assert.equal(hits.length, runs.length, "each was asked for once");
    // Bells that rang twice may still be on their way: a worker has counted an answer before the source has read it.
    const { refused } = await eventually(
      "as many refusals counted as were answered",
      async () => ({
        counted: await countFull(),
        refused: source.deliveries.items.filter(({ status }) => status === 429).length,
      }),
      ({ counted, refused }) => counted === refused,
    );
    t.diagnostic(`${refused} answers of 429 for ${runs.length} runs`);
  });

  /** By the workers' metrics. */
  async function countFull(): Promise<number> {
    const sample = 'bellhop_events_total{outcome="full",role="worker"}';
    const counts = await Promise.all([...ready].map((worker) => readSample(worker, sample)));
    return counts.reduce((sum, count) => sum + count);
  }

  it("a worker that stops gives its run back, answers 503, and another one runs it: the same attempt", async () => {
    const released = Promise.withResolvers<void>();
    let hits = 0;
    sink.reply = async ({ url }) => {
      if (url !== "/drained") return {};
      hits += 1;
      if (hits === 1) await released.promise;
      return {};
    };
    const taskId = await createTask({ type: "http", url: `${sink.url}/drained` });
    await sink.waitFor(({ url }) => url === "/drained");
    const before = await eventually(
      "the run to be running",
      () => runOf(taskId),
      (run) => run?.state === "running",
    );
    const owner = [...ready].find((worker) => workerIdOf(worker) === before!.workerId);
    assert.ok(owner);
    // A service stops sending to a pod only a while after it was told to stop.
    owner.signal("SIGTERM");
    const [delivery] = await source.deliveries.waitFor(
      ({ runId, status }) => runId === before!.id && status === 503,
    );
    assert.equal(delivery!.outcome, "given_back");
    ready.delete(owner);
    const [after] = await waitForRuns([taskId]);
    assert.deepEqual([after!.id, after!.attempt, after!.attempts.length], [before!.id, 1, 1]);
    assert.notEqual(after!.workerId, before!.workerId);
    assert.deepEqual((await owner.exited).code, 0);
    released.resolve();
  });

  it("a failure is answered for, and its retry comes by an event of its own", async () => {
    sink.reply = ({ url, headers }) =>
      url === "/retried" && headers["bellhop-attempt"] === "1" ? { status: 503 } : {};
    const retry = { maxAttempts: 3, backoff: { initial: "100ms" } };
    const taskId = await createTask({ type: "http", url: `${sink.url}/retried`, retry });
    const [run] = await waitForRuns([taskId]);
    assert.equal(run!.attempt, 2);
    // The run's end is written before its event is answered.
    await source.deliveries.waitFor(({ runId, outcome }) => runId === run!.id && outcome === "recorded", {
      count: 2,
    });
    const recorded = deliveriesOf(run!.id).filter(({ outcome }) => outcome === "recorded");
    assert.equal(recorded.length, 2);
  });

  it("a run that may outlast the window is sent on to its lane, and runs in a worker for long runs", async () => {
    sink.reply = () => ({});
    const taskId = await createTask({ type: "http", url: `${sink.url}/long`, timeout: "10m" });
    const queued = await eventually(
      "the run to be there",
      () => runOf(taskId),
      (run) => run !== undefined,
    );
    const [delivery] = await source.deliveries.waitFor(({ runId }) => runId === queued!.id);
    assert.deepEqual([delivery!.status, delivery!.outcome], [202, "long_run"]);
    assert.equal((await runOf(taskId))?.state, "queued");
    const long = await cluster.startWorker({ WORKER_RECEIVE: "long-runs" });
    const [run] = await waitForRuns([taskId]);
    assert.equal(run!.workerId, workerIdOf(long));
    // A bell that rings again finds it waiting still, or taken.
    const others = deliveriesOf(run!.id).filter(({ outcome }) => outcome !== "long_run");
    assert.ok(others.every(({ outcome }) => outcome === "not_waiting"));
  });
});

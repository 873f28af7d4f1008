/** What Kafka and a worker can do to each other while roles run; each time bells are heard again, without a restart. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { nameQueues } from "../../core/queue/names.ts";
import { openTestTransport } from "../../core/queue/testing/kafka-transport.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { type KafkaBroker, startKafkaBroker } from "../kafka/broker.ts";
import { freePorts } from "../support/free-ports.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import type { RunningProcess } from "../support/processes.ts";
import { type Cluster, portOf, readSample, startCluster } from "./cluster.ts";
import { describeLateness, latenessMs, listAllRuns } from "./runs.ts";

const kafka = await testKafka();
const skip = "skip" in kafka ? kafka.skip : false;
const PARTITIONS = 4;
const SLOTS = 2;
/** A session, a rejoin on a slow machine, and some more. */
const HEAL_MS = 60_000;

interface System {
  cluster: Cluster;
  worker: RunningProcess;
  /** API, scheduler, worker. */
  roles: RunningProcess[];
  brokers: string;
  prefix: string;
  sink: HttpSink;
  stop(): Promise<void>;
}

async function startSystem(brokers: string, more: Record<string, string> = {}): Promise<System> {
  const prefix = `faults-${randomBytes(4).toString("hex")}`;
  const sink = await createHttpSink();
  const env = { KAFKA_TOPIC_PREFIX: prefix, KAFKA_PARTITIONS: String(PARTITIONS), ...more };
  const cluster = await startCluster({ brokers, schedulers: 1, workers: 1, env });
  const worker = cluster.workers[0]!;
  return {
    ...{ cluster, worker, brokers, prefix, sink },
    roles: [cluster.apiProcess, ...cluster.schedulers, worker],
    async stop() {
      await cluster.stop();
      await sink.close();
    },
  };
}

async function withAdmin<T>(brokers: string, use: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

async function readQueue(role: RunningProcess): Promise<{ status: number; queue: unknown }> {
  const answer = await fetch(`http://127.0.0.1:${portOf(role)}/readyz`);
  const { checks } = (await answer.json()) as { checks: Record<string, unknown> };
  return { status: answer.status, queue: checks["queue"] };
}

/** Resolves with how each role's queue is told, once all of them pass. */
async function whenQueues(roles: RunningProcess[], passes: (queue: unknown) => boolean): Promise<void> {
  let seen: { status: number; queue: unknown }[] = [];
  const look = async () => {
    seen = await Promise.all(roles.map(readQueue));
    return seen.every(({ status, queue }) => status === 200 && passes(queue)) ? true : undefined;
  };
  await until(look, HEAL_MS).catch(() => assert.fail(`the roles tell ${JSON.stringify(seen)}`));
}
const isOk = (queue: unknown) => queue === "ok";

const readHearing = (worker: RunningProcess) =>
  readSample(worker, 'bellhop_queue_hearing{lane="runs",role="worker"}');
const readReceived = (worker: RunningProcess) =>
  readSample(worker, 'bellhop_bells_received_total{lane="runs",role="worker"}');
const readLost = (worker: RunningProcess) =>
  readSample(worker, 'bellhop_consumers_lost_total{lane="runs",role="worker"}');

async function postTask({ cluster, sink }: System, schedule?: object, path = ""): Promise<string> {
  const body = { type: "http", url: `${sink.url}${path}`, ...(schedule ? { schedule } : {}) };
  return (await cluster.api.call<{ id: string }>("POST", "/v1/tasks", body)).id;
}

async function whenDone({ cluster }: System, tasks: Iterable<string>) {
  const wanted = new Set(tasks);
  return await until(async () => {
    const runs = (await listAllRuns(cluster.api, "/v1/runs")).filter(({ taskId }) => wanted.has(taskId));
    const done = runs.filter(({ state }) => state === "succeeded");
    return done.length === wanted.size ? done : undefined;
  }, HEAL_MS);
}

/** A run is rung, its bell comes by Kafka, and the group commits it: nothing is left to be read. */
async function assertHeard(system: System): Promise<void> {
  const { worker, roles, brokers, prefix } = system;
  await whenQueues(roles, isOk);
  const before = await readReceived(worker);
  await whenDone(system, [await postTask(system)]);
  await until(async () => ((await readReceived(worker)) > before ? true : undefined), HEAL_MS);
  assert.equal(await readHearing(worker), 1);
  const { topics, groups } = nameQueues(prefix);
  await withAdmin(brokers, (admin) =>
    until(async () => {
      const ends = await admin.fetchTopicOffsets(topics.runs);
      const [committed] = await admin.fetchOffsets({ groupId: groups.runs, topics: [topics.runs] });
      const offsets = new Map(committed!.partitions.map((each) => [each.partition, each.offset]));
      const isRead = ends.every(({ partition, high }) => high === "0" || offsets.get(partition) === high);
      return isRead ? true : undefined;
    }, HEAL_MS),
  );
}

/** What the roles said since, besides what they do anyway. */
function countWarnings(roles: RunningProcess[], since: number[]): number[] {
  return roles.map(
    ({ logs }, index) =>
      logs.slice(since[index]).filter(({ level }) => level === "warn" || level === "error").length,
  );
}
const markLogs = (roles: RunningProcess[]) => roles.map(({ logs }) => logs.length);

describe("a worker and its topics, on a broker that stands", { skip }, () => {
  let system: System;
  before(async () => {
    system = await startSystem("brokers" in kafka ? kafka.brokers : "", { WORKER_SLOTS: String(SLOTS) });
  });
  after(() => system?.stop());

  it("a worker that was frozen, with bells in hand, until its group had forgotten it hears bells again", async () => {
    await assertHeard(system);
    const { worker, brokers, prefix, sink } = system;
    const held = Promise.withResolvers<void>();
    sink.reply = async ({ url }) => {
      if (url === "/held") await held.promise;
      return { status: 200 };
    };
    const post = (path: string) => postTask(system, undefined, path);
    const tasks = await Promise.all(Array.from({ length: SLOTS }, () => post("/held")));
    await sink.waitFor(({ url }) => url === "/held", { count: SLOTS, timeoutMs: HEAL_MS });
    // Nothing takes these: their bells are in hand when the worker stands still, and committed by one who is forgotten.
    const received = await readReceived(worker);
    tasks.push(...(await Promise.all(Array.from({ length: PARTITIONS * 2 }, () => post("")))));
    await until(async () => ((await readReceived(worker)) > received ? true : undefined), HEAL_MS);
    worker.signal("SIGSTOP");
    await withAdmin(brokers, (admin) =>
      until(async () => {
        const { groups } = await admin.describeGroups([nameQueues(prefix).groups.runs]);
        return groups[0]!.members.length === 0 ? true : undefined;
      }, HEAL_MS),
    );
    worker.signal("SIGCONT");
    held.resolve();
    await whenDone(system, tasks);
    await assertHeard(system);
  });

  it("topics that are deleted while roles run are made again, and bells are heard", async (t) => {
    const { roles, brokers, prefix, worker } = system;
    await assertHeard(system);
    const since = markLogs(roles);
    const lost = await readLost(worker);
    const topics = Object.values(nameQueues(prefix).topics);
    await withAdmin(brokers, (admin) => admin.deleteTopics({ topics }));
    const isMissing = (queue: unknown) => /there is no topic|not heard/.test(String(queue));
    await whenQueues([worker], isMissing);
    await assertHeard(system);
    const warnings = countWarnings(roles, since);
    t.diagnostic(`consumers lost: ${(await readLost(worker)) - lost}; lines of each role: ${warnings}`);
    for (const count of warnings) assert.ok(count <= 8, `${warnings} lines`);
  });
});

describe("roles and a broker that comes, freezes, and is emptied", { skip }, () => {
  let system: System;
  let broker: KafkaBroker | undefined;
  let dir: string;
  let port: number;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "bellhop-broker-"));
    [port] = (await freePorts(1)) as [number];
    system = await startSystem(`127.0.0.1:${port}`);
  });
  after(async () => {
    await system?.stop();
    await broker?.kill();
    await rm(dir, { recursive: true, force: true });
  });

  /** Immediate and scheduled ones, spread over the time. */
  async function runThrough(t: TestContext, what: string): Promise<void> {
    const firstMs = Date.now() + 500;
    const tasks: string[] = [];
    for (let index = 0; index < 40; index += 1) {
      tasks.push(await postTask(system, { at: new Date(firstMs + index * 100).toISOString() }));
      tasks.push(await postTask(system));
    }
    const runs = await whenDone(system, tasks);
    t.diagnostic(`${what}: ${describeLateness(runs)}`);
    const late = latenessMs(runs);
    assert.ok(late[Math.floor(late.length / 2)]! < 500, describeLateness(runs));
  }

  it("API, scheduler and worker start without a broker, run what is due, and tell that the queue is away", async (t) => {
    await whenQueues(system.roles, (queue) => queue === "not connected yet");
    await runThrough(t, "lateness before there is a broker");
  });

  it("a fresh broker is taken by them and by six more at once, while it is kept busy", async (t) => {
    const started = await startKafkaBroker({ dir, port });
    broker = started;
    const options = { brokers: [started.brokers], topicPrefix: system.prefix, partitions: PARTITIONS };
    const others = Array.from({ length: 12 }, (_, index) => ({
      topic: `${system.prefix}-other-${index}`,
      numPartitions: 12,
    }));
    const [, ...transports] = await Promise.all([
      withAdmin(started.brokers, (admin) => admin.createTopics({ topics: others, waitForLeaders: false })),
      ...Array.from({ length: 6 }, () => openTestTransport(options)),
    ]);
    t.after(() => Promise.all(transports.map((transport) => transport.close())));
    for (const transport of transports) await transport.checkReady();
    await assertHeard(system);
  });

  it("a broker that stands still for longer than the session: runs go on in time, and then bells are heard", async (t) => {
    await assertHeard(system);
    const { roles, worker } = system;
    const since = markLogs(roles);
    const lost = await readLost(worker);
    broker!.freeze();
    await whenQueues(roles, (queue) => !isOk(queue));
    await until(async () => ((await readHearing(worker)) === 0 ? true : undefined), HEAL_MS);
    await runThrough(t, "lateness while the broker stands still");
    await until(async () => ((await readLost(worker)) > lost ? true : undefined), HEAL_MS);
    broker!.thaw();
    await assertHeard(system);
    const warnings = countWarnings(roles, since);
    t.diagnostic(`lines of each role: ${warnings}`);
    for (const count of warnings) assert.ok(count <= 8, `${warnings} lines`);
  });

  it("a broker that is killed and comes back empty: topics are made again, bells are heard, and little is said", async (t) => {
    await assertHeard(system);
    const { roles, worker } = system;
    const since = markLogs(roles);
    await broker!.kill();
    await whenQueues(roles, (queue) => !isOk(queue));
    await until(async () => ((await readHearing(worker)) === 0 ? true : undefined), HEAL_MS);
    await runThrough(t, "lateness while there is no broker");
    await broker!.restart({ empty: true });
    await assertHeard(system);
    const warnings = countWarnings(roles, since);
    t.diagnostic(`lines of each role: ${warnings}`);
    for (const count of warnings) assert.ok(count <= 8, `${warnings} lines`);
  });
});

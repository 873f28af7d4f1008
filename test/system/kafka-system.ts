/** API, scheduler and worker as processes on a Kafka that tests harm, and how one sees that bells are heard. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { nameQueues } from "../../core/queue/names.ts";
import { until } from "../../core/store/testing/test-store.ts";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import type { RunningProcess } from "../support/processes.ts";
import { type Cluster, portOf, readSample, startCluster } from "./cluster.ts";
import { describeLateness, latenessMs, listAllRuns } from "./runs.ts";

export const PARTITIONS = 4;
/** A session, a rejoin on a slow machine, and some more. */
export const HEAL_MS = 120_000;
/** Of a role, while Kafka is away and comes back, however long that takes a busy machine. */
export const MAX_WARNINGS = 20;

export interface System {
  cluster: Cluster;
  worker: RunningProcess;
  /** API, scheduler, worker. */
  roles: RunningProcess[];
  brokers: string;
  prefix: string;
  sink: HttpSink;
  stop(): Promise<void>;
}

export async function startSystem(
  brokers: string,
  { env: more = {}, hasNoBroker = false }: { env?: Record<string, string>; hasNoBroker?: boolean } = {},
): Promise<System> {
  const prefix = `faults-${randomBytes(4).toString("hex")}`;
  const sink = await createHttpSink();
  const env = { KAFKA_TOPIC_PREFIX: prefix, KAFKA_PARTITIONS: String(PARTITIONS), ...more };
  const cluster = await startCluster({ brokers, hasNoBroker, schedulers: 1, workers: 1, env });
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

export async function withAdmin<T>(brokers: string, use: (admin: Admin) => Promise<T>): Promise<T> {
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
export async function whenQueues(
  roles: RunningProcess[],
  passes: (queue: unknown) => boolean,
): Promise<void> {
  let seen: { status: number; queue: unknown }[] = [];
  const look = async () => {
    seen = await Promise.all(roles.map(readQueue));
    return seen.every(({ status, queue }) => status === 200 && passes(queue)) ? true : undefined;
  };
  await until(look, HEAL_MS).catch(() => assert.fail(`the roles tell ${JSON.stringify(seen)}`));
}
export const isOk = (queue: unknown) => queue === "ok";

export const readHearing = (worker: RunningProcess) =>
  readSample(worker, 'bellhop_queue_hearing{lane="runs",role="worker"}');
export const readReceived = (worker: RunningProcess) =>
  readSample(worker, 'bellhop_bells_received_total{lane="runs",role="worker"}');
export const readLost = (worker: RunningProcess) =>
  readSample(worker, 'bellhop_consumers_lost_total{lane="runs",role="worker"}');

/** Bells that a role handed to Kafka. */
async function readSent(role: RunningProcess): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${portOf(role)}/metrics`)).text();
  return Number(/^bellhop_bells_sent_total\{lane="runs",.*\} (\d+)$/m.exec(text)?.[1]);
}

export async function postTask({ cluster, sink }: System, schedule?: object, path = ""): Promise<string> {
  const body = { type: "http", url: `${sink.url}${path}`, ...(schedule ? { schedule } : {}) };
  return (await cluster.api.call<{ id: string }>("POST", "/v1/tasks", body)).id;
}

export async function whenDone({ cluster }: System, tasks: Iterable<string>) {
  const wanted = new Set(tasks);
  return await until(async () => {
    const runs = (await listAllRuns(cluster.api, "/v1/runs")).filter(({ taskId }) => wanted.has(taskId));
    const done = runs.filter(({ state }) => state === "succeeded");
    return done.length === wanted.size ? done : undefined;
  }, HEAL_MS);
}

/** API and scheduler send, their bells come by Kafka, and the group commits them: nothing is left to be read. */
export async function assertHeard(system: System): Promise<void> {
  const { worker, roles, brokers, prefix } = system;
  await whenQueues(roles, isOk);
  const before = await readReceived(worker);
  const senders = roles.filter((role) => role !== worker);
  const sent = await Promise.all(senders.map(readSent));
  const soon = { at: new Date(Date.now() + 1_500).toISOString() };
  await whenDone(system, [await postTask(system), await postTask(system, soon)]);
  const haveSent = async () =>
    (await Promise.all(senders.map(readSent))).every((count, index) => count > sent[index]!);
  await until(async () => ((await haveSent()) ? true : undefined), HEAL_MS);
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
export function countWarnings(roles: RunningProcess[], since: number[]): number[] {
  return roles.map(
    ({ logs }, index) =>
      logs.slice(since[index]).filter(({ level }) => level === "warn" || level === "error").length,
  );
}
export const markLogs = (roles: RunningProcess[]) => roles.map(({ logs }) => logs.length);

/** Immediate and scheduled ones, spread over the time. */
export async function runThrough(system: System, t: TestContext, what: string): Promise<void> {
  const firstMs = Date.now() + 500;
  const tasks: string[] = [];
  for (let index = 0; index < 40; index += 1) {
    tasks.push(await postTask(system, { at: new Date(firstMs + index * 100).toISOString() }));
    tasks.push(await postTask(system));
  }
  const runs = await whenDone(system, tasks);
  t.diagnostic(`${what}: ${describeLateness(runs)}`);
  const late = latenessMs(runs);
  assert.ok(late[Math.floor(late.length / 2)]! < 1_500, describeLateness(runs));
}

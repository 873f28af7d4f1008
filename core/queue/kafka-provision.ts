/** What must be there on a broker before anybody sends or consumes: the topics, and each group's first offsets. */
import type { Admin } from "kafkajs";
import type { Clock } from "../clock.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { isPassing } from "./kafka-faults.ts";
import type { QueueNames } from "./names.ts";

export interface Provision extends QueueNames {
  /** Of a topic that is made; an existing one keeps its own. */
  partitions: number;
}

const TRIES = 60;
const TRY_WAIT_MS = 250;
/** A member that fetches nothing waits as long before it may leave. */
const FETCH_WAIT_MS = 50;

/** Safe to repeat, also by many at once: what is there stays as it is. */
export async function provision(
  openClient: () => KafkaClient,
  { topics, groups, partitions }: Provision,
  clock: Clock,
): Promise<void> {
  const client = openClient();
  const admin = client.kafka.admin();
  try {
    await admin.connect();
    await whilePassing(clock, () => provisionTopics(admin, Object.values(topics), partitions));
    const lanes = Object.keys(groups) as (keyof typeof groups)[];
    await Promise.all(
      lanes.map((lane) =>
        whilePassing(clock, () => provisionOffsets(openClient, admin, groups[lane], topics[lane])),
      ),
    );
  } finally {
    await client.close(() => admin.disconnect());
  }
}

/** A broker that has just started, or just elected, or is busy, answers with errors that pass for a while. */
async function whilePassing(clock: Clock, work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (!isPassing(error) || tries >= TRIES) throw error;
      await clock.sleep(TRY_WAIT_MS);
    }
  }
}

async function provisionTopics(admin: Admin, topics: string[], numPartitions: number): Promise<void> {
  const present = new Set(await admin.listTopics());
  const missing = topics.filter((topic) => !present.has(topic));
  if (missing.length === 0) return;
  // -1: the broker's own default of replicas.
  const made = missing.map((topic) => ({ topic, numPartitions, replicationFactor: -1 }));
  try {
    await admin.createTopics({ topics: made, waitForLeaders: true });
  } catch (error) {
    const now = new Set(await admin.listTopics());
    // Two roles that start together both try; the one that is second finds the work done.
    if (missing.every((topic) => now.has(topic))) return;
    const [first] = (error as { errors?: Error[] }).errors ?? [];
    throw first ? new Error(`topics could not be made: ${first.message}`, { cause: first }) : error;
  }
}

/** Gives a new group its first offsets, so that lag is known, and zero, before the first worker ever comes. */
async function provisionOffsets(
  openClient: () => KafkaClient,
  admin: Admin,
  groupId: string,
  topic: string,
): Promise<void> {
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const missing = (committed?.partitions ?? []).filter(({ offset }) => offset === "-1");
  if (missing.length === 0) return;
  const { groups } = await admin.describeGroups([groupId]);
  // They have, or soon will have, committed themselves.
  if (groups.some(({ members }) => members.length > 0)) return;
  const first = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => [partition, low]));
  const offsets = missing.map(({ partition }) => ({ topic, partition, offset: first.get(partition) ?? "0" }));
  // Of two roles that start together one may be refused: then the other's commit stands.
  await commitAsMember(openClient(), groupId, offsets).catch(() => undefined);
}

/** What admin.setOffsets does, without the five seconds its own consumer waits for a first fetch. */
async function commitAsMember(
  client: KafkaClient,
  groupId: string,
  offsets: { topic: string; partition: number; offset: string }[],
): Promise<void> {
  const topics = [...new Set(offsets.map(({ topic }) => topic))];
  const member = client.kafka.consumer({
    groupId,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { restartOnFailure: async () => false },
  });
  try {
    await member.connect();
    await member.subscribe({ topics });
    await member.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: async () => {} });
    member.pause(topics.map((topic) => ({ topic })));
    await member.commitOffsets(offsets);
  } finally {
    await client.close(() => member.disconnect());
  }
}

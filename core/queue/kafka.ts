/** The queue on Kafka: bells travel as messages keyed by run id; the offset is committed once a bell is dealt with. */
import { type Admin, CompressionTypes, type EachBatchPayload, Kafka, logLevel, type Producer } from "kafkajs";
import { systemClock } from "../clock.ts";
import { parseBell, toBellText } from "./bell.ts";
import { isGroupChange } from "./kafka-log.ts";
import { type Lane, nameQueues } from "./names.ts";
import type { Bell, BellHandler, Consumption, QueueTransport } from "./transport.ts";

export interface KafkaSettings {
  brokers: string[];
  clientId: string;
  /** Topics and the consumer groups begin with it. */
  topicPrefix: string;
  /** Of a topic that is made; an existing one keeps its own. */
  partitions: number;
  onError(message: string, error: unknown): void;
  /** Members came or went, or a coordinator moved: no fault. */
  onGroupChange(message: string, detail: unknown): void;
}

/** Long poll. Also the longest a partition waits for its turn after kafkajs has begun a fetch without it. */
const FETCH_WAIT_MS = 50;
const BELLS_PER_CHUNK = 500;
const COORDINATOR_TRIES = 60;
const COORDINATOR_WAIT_MS = 250;

export async function createKafkaTransport(settings: KafkaSettings): Promise<QueueTransport> {
  const { onError, onGroupChange } = settings;
  const { topics, groups } = nameQueues(settings.topicPrefix);
  const lanes = Object.keys(groups) as Lane[];
  const kafka = new Kafka({
    clientId: settings.clientId,
    brokers: settings.brokers,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 },
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log }) =>
        (isGroupChange(log) ? onGroupChange : onError)(log.message, log["error"]),
  });
  const admin = kafka.admin();
  const producer = kafka.producer({
    allowAutoTopicCreation: false,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 4 },
  });
  const disconnect = () => Promise.allSettled([producer.disconnect(), admin.disconnect()]);
  try {
    await admin.connect();
    await provisionTopics(admin, Object.values(topics), settings.partitions);
    await Promise.all(
      lanes.map((lane) =>
        whileCoordinatorLoads(() => provisionOffsets(kafka, admin, groups[lane], topics[lane])),
      ),
    );
    await producer.connect();
  } catch (error) {
    // It is tried again, with connections of its own.
    await disconnect();
    throw error;
  }
  const consumptions = new Set<Consumption>();

  return {
    name: "kafka",
    async ring(bells, lane = "runs") {
      if (bells.length > 0) await send(producer, topics[lane], bells.map(toMessage));
    },
    async consume(handler, lane = "runs") {
      const consumption = await consumeBells(kafka, groups[lane], topics[lane], handler, onError);
      consumptions.add(consumption);
      return consumption;
    },
    async publishDeadLetters(letters) {
      if (letters.length === 0) return;
      await send(
        producer,
        topics["dead-letters"],
        letters.map((letter) => ({ key: letter.runId, value: JSON.stringify(letter) })),
      );
    },
    async checkReady() {
      await admin.fetchTopicMetadata({ topics: [topics.runs] });
    },
    async close() {
      await Promise.all([...consumptions].map((consumption) => consumption.stop()));
      await disconnect();
    },
  };
}

async function send(
  producer: Producer,
  topic: string,
  messages: { key: string; value: string }[],
): Promise<void> {
  await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.None });
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
    if (!missing.every((topic) => now.has(topic))) throw error;
  }
}

/** Gives a new group its first offsets, so that lag is known, and zero, before the first worker ever comes. */
async function provisionOffsets(kafka: Kafka, admin: Admin, groupId: string, topic: string): Promise<void> {
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const missing = (committed?.partitions ?? []).filter(({ offset }) => offset === "-1");
  if (missing.length === 0) return;
  const { groups } = await admin.describeGroups([groupId]);
  // They have, or soon will have, committed themselves.
  if (groups.some(({ members }) => members.length > 0)) return;
  const first = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, low }) => [partition, low]));
  const offsets = missing.map(({ partition }) => ({ topic, partition, offset: first.get(partition) ?? "0" }));
  // Of two roles that start together one may be refused: then the other's commit stands.
  await commitAsMember(kafka, groupId, offsets).catch(() => undefined);
}

/** What admin.setOffsets does, without the five seconds its own consumer waits for a first fetch. */
async function commitAsMember(
  kafka: Kafka,
  groupId: string,
  offsets: { topic: string; partition: number; offset: string }[],
): Promise<void> {
  const topics = [...new Set(offsets.map(({ topic }) => topic))];
  const member = kafka.consumer({
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
    await member.disconnect();
  }
}

/** A broker that has just started, or just elected, answers with retriable errors for a while. */
async function whileCoordinatorLoads(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if ((error as { retriable?: boolean }).retriable !== true || tries >= COORDINATOR_TRIES) throw error;
      await systemClock.sleep(COORDINATOR_WAIT_MS);
    }
  }
}

async function consumeBells(
  kafka: Kafka,
  groupId: string,
  topic: string,
  handler: BellHandler,
  onError: KafkaSettings["onError"],
): Promise<Consumption> {
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: 10_000,
    heartbeatInterval: 2_000,
    rebalanceTimeout: 15_000,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, restartOnFailure: async () => true },
  });
  let stopping: Promise<void> | undefined;
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 16,
    eachBatch: (payload) =>
      handleBatch(payload, handler, () => stopping !== undefined, consumer.commitOffsets),
  });
  return {
    receiving: Promise.resolve(),
    stop() {
      stopping ??= consumer
        .stop()
        .then(() => consumer.disconnect())
        .catch((error) => onError("The consumer did not stop cleanly.", error));
      return stopping;
    },
  };
}

type CommitOffsets = (offsets: { topic: string; partition: number; offset: string }[]) => Promise<void>;

async function handleBatch(
  { batch, resolveOffset, heartbeat, isRunning, isStale }: EachBatchPayload,
  handler: BellHandler,
  isStopping: () => boolean,
  commitOffsets: CommitOffsets,
): Promise<void> {
  for (let from = 0; from < batch.messages.length; from += BELLS_PER_CHUNK) {
    if (!isRunning() || isStale() || isStopping()) return;
    const chunk = batch.messages.slice(from, from + BELLS_PER_CHUNK);
    // What is no bell is skipped, for it would block the partition for ever.
    const bells = chunk.flatMap(({ value }) => parseBell(value) ?? []);
    // While all slots are taken the call waits: heartbeats keep the partition meanwhile.
    const beating = setInterval(() => void heartbeat().catch(() => undefined), 2_000);
    try {
      await handler.onBells(bells);
    } catch (error) {
      if (isStopping()) return;
      throw error;
    } finally {
      clearInterval(beating);
    }
    const last = chunk.at(-1)!.offset;
    resolveOffset(last);
    await commitOffsets([
      { topic: batch.topic, partition: batch.partition, offset: String(BigInt(last) + 1n) },
    ]);
  }
}

function toMessage(bell: Bell): { key: string; value: string } {
  return { key: bell.runId, value: toBellText(bell) };
}

/**
 * Stands for Knative's KafkaSource with `ordering: unordered`: consumes a topic and sends each message as a CloudEvent
 * in binary mode, with the headers the real one makes of a message that has none. What is answered 404, 409, 429, 5xx
 * or not at all is sent again, with exponential backoff; any other answer ends it. An offset is committed when all
 * before it have ended. It sends to a service: to whoever is ready, in turn.
 */
import { type Consumer, Kafka, type KafkaMessage, logLevel } from "kafkajs";
import { KAFKA_SOURCE_EVENT_TYPE } from "../../core/queue/names.ts";
import { createRecording, type Recording } from "./recording.ts";

export interface KafkaSourceOptions {
  brokers: string;
  topic: string;
  groupId: string;
  /** Base URLs that are ready now; where there is none, events wait for their next try. */
  listSinks(): string[];
}

/** One request and its answer; `status` 0: there was none. */
export interface Delivery {
  runId: string;
  sink: string;
  status: number;
  /** As Bellhop tells it besides. */
  outcome: string | null;
}

export interface KafkaSource {
  deliveries: Recording<Delivery>;
  stop(): Promise<void>;
}

/** As many events are open at once, those between two tries among them: the real one's default. */
const MAX_OPEN = 50;
const BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 400;
const isRetried = (status: number) => [0, 404, 409, 429].includes(status) || status >= 500;

export async function startKafkaSource(options: KafkaSourceOptions): Promise<KafkaSource> {
  const { brokers, topic, groupId, listSinks } = options;
  const deliveries = createRecording<Delivery>("delivery");
  const stopped = new AbortController();
  let turn = 0;

  async function send(partition: number, message: KafkaMessage): Promise<Delivery> {
    const sinks = listSinks();
    const sink = sinks[turn % Math.max(sinks.length, 1)] ?? "";
    turn += 1;
    const runId = String(message.key);
    try {
      const response = await fetch(sink, {
        method: "POST",
        headers: toHeaders(topic, partition, message),
        body: message.value,
        signal: stopped.signal,
      });
      await response.arrayBuffer();
      return { runId, sink, status: response.status, outcome: response.headers.get("bellhop-event-outcome") };
    } catch {
      return { runId, sink, status: 0, outcome: null };
    }
  }

  /** Resolves when the event has ended; rejects where the source was stopped before. */
  async function deliver(partition: number, message: KafkaMessage): Promise<void> {
    for (let backoffMs = BACKOFF_MS; ; backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)) {
      const delivery = await send(partition, message);
      stopped.signal.throwIfAborted();
      deliveries.add(delivery);
      if (!isRetried(delivery.status)) return;
      await backOff(backoffMs, stopped.signal);
    }
  }

  const kafka = new Kafka({ clientId: "kafka-source", brokers: [brokers], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50, sessionTimeout: 10_000 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const offsets = createOffsets(consumer, topic);
  const places = createPlaces(MAX_OPEN);
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    async eachBatch({ batch: { partition, messages }, resolveOffset, heartbeat }) {
      const beating = setInterval(() => void heartbeat().catch(() => undefined), 1_000);
      for (const message of messages) {
        await places.take();
        if (stopped.signal.aborted) break;
        const end = offsets.begin(partition, message.offset);
        resolveOffset(message.offset);
        void deliver(partition, message)
          .then(end, () => undefined)
          .finally(places.leave);
      }
      clearInterval(beating);
    },
  });
  return {
    deliveries,
    async stop() {
      stopped.abort();
      await consumer.disconnect();
    },
  };
}

function toHeaders(topic: string, partition: number, { key, offset, timestamp }: KafkaMessage) {
  return {
    "ce-specversion": "1.0",
    "ce-id": `partition:${partition}/offset:${offset}`,
    "ce-source": `/apis/v1/namespaces/bellhop/kafkasources/runs#${topic}`,
    "ce-type": KAFKA_SOURCE_EVENT_TYPE,
    "ce-subject": `partition:${partition}#${offset}`,
    "ce-time": new Date(Number(timestamp)).toISOString(),
    "ce-key": String(key),
    "ce-partitionkey": String(key),
  };
}

/** Commits as far as everything has ended; what ends while a commit is under way goes with the next. */
function createOffsets(consumer: Consumer, topic: string) {
  const open = new Map<number, { offset: bigint; hasEnded: boolean }[]>();
  const ended = new Map<number, string>();
  let isCommitting = false;

  async function commit(): Promise<void> {
    if (isCommitting) return;
    isCommitting = true;
    while (ended.size > 0) {
      const offsets = [...ended].map(([partition, offset]) => ({ topic, partition, offset }));
      ended.clear();
      await consumer.commitOffsets(offsets).catch(() => undefined);
    }
    isCommitting = false;
  }

  return {
    /** Returns what ends it. */
    begin(partition: number, offset: string): () => void {
      const entry = { offset: BigInt(offset), hasEnded: false };
      const entries = open.get(partition) ?? [];
      open.set(partition, entries);
      entries.push(entry);
      return () => {
        entry.hasEnded = true;
        const left = entries.findIndex(({ hasEnded }) => !hasEnded);
        const [last] = entries.splice(0, left < 0 ? entries.length : left).slice(-1);
        if (!last) return;
        ended.set(partition, String(last.offset + 1n));
        void commit();
      };
    },
  };
}

function createPlaces(count: number) {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    take(): Promise<void> {
      free -= 1;
      return free >= 0 ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve));
    },
    leave(): void {
      free += 1;
      waiting.shift()?.();
    },
  };
}

function backOff(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

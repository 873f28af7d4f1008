/** The queue on Kafka: bells travel as messages keyed by run id; the offset is committed once a bell is dealt with. */
import { CompressionTypes, type Producer } from "kafkajs";
import type { Lane } from "../domain/lane.ts";
import { toBellText } from "./bell.ts";
import { type KafkaClientSettings, openKafkaClient } from "./kafka-client.ts";
import { isTopicGone } from "./kafka-faults.ts";
import { joinGroup } from "./kafka-member.ts";
import { createPartitioner } from "./kafka-partitions.ts";
import { stopIdlePolling } from "./kafka-polling.ts";
import { provision } from "./kafka-provision.ts";
import type { ConnectedQueue } from "./late-transport.ts";
import { nameQueues } from "./names.ts";
import type { Member } from "./supervise-consumer.ts";
import type { Bell, BellHandler } from "./transport.ts";

export interface KafkaSettings extends KafkaClientSettings {
  /** Topics and the consumer groups begin with it. */
  topicPrefix: string;
  /** Of a topic that is made; an existing one keeps its own. */
  partitions: number;
}

/** Rejects where the broker cannot be reached, or lacks what cannot be made; it is tried again with another client. */
export async function connectKafka(settings: KafkaSettings): Promise<ConnectedQueue> {
  const { clock } = settings;
  const names = nameQueues(settings.topicPrefix);
  const openClient = () => openKafkaClient(settings);
  const client = openClient();
  const admin = client.kafka.admin();
  const producer = client.kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: createPartitioner(names.topics["dead-letters"]),
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 4 },
  });
  const close = () => client.close(() => Promise.allSettled([producer.disconnect(), admin.disconnect()]));
  const ensureProvision = shareCalls(() =>
    provision(openClient, { ...names, partitions: settings.partitions }, clock),
  );
  const listTopics = shareCalls(async () => await admin.listTopics());
  /** Whether topics may have gone since they were seen. */
  let isStale = false;
  try {
    await stopIdlePolling(client.kafka).catch((error: unknown) =>
      settings.onError("connections at rest look for requests every millisecond", error),
    );
    await ensureProvision();
    await Promise.all([admin.connect(), producer.connect()]);
  } catch (error) {
    await close();
    throw error;
  }

  async function send(topic: string, messages: { key: string; value: string }[]): Promise<void> {
    try {
      await produce(producer, topic, messages);
    } catch (error) {
      if (!isTopicGone(error)) throw error;
      await ensureProvision();
      await produce(producer, topic, messages);
    }
  }

  return {
    async ring(bells, lane = "runs") {
      if (bells.length > 0) await send(names.topics[lane], bells.map(toMessage));
    },
    async publishDeadLetters(letters) {
      if (letters.length === 0) return;
      await send(
        names.topics["dead-letters"],
        letters.map((letter) => ({ key: letter.runId, value: JSON.stringify(letter) })),
      );
    },
    async join(handler: BellHandler, lane: Lane, signal: AbortSignal): Promise<Member> {
      if (isStale) await ensureProvision();
      isStale = true;
      const { groups, topics } = names;
      const group = { groupId: groups[lane], topic: topics[lane] };
      return await joinGroup({ client: openClient(), ...group, handler, clock }, signal);
    },
    async checkReady() {
      const present = new Set(await listTopics());
      for (const topic of Object.values(names.topics))
        if (!present.has(topic)) throw new Error(`there is no topic ${topic}`);
    },
    close,
  };
}

async function produce(
  producer: Producer,
  topic: string,
  messages: { key: string; value: string }[],
): Promise<void> {
  await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.None });
}

/** Whoever calls while a call is under way shares its outcome. */
function shareCalls<T>(call: () => Promise<T>): () => Promise<T> {
  let calling: Promise<T> | undefined;
  return () =>
    (calling ??= call().finally(() => {
      calling = undefined;
    }));
}

function toMessage(bell: Bell): { key: string; value: string } {
  return { key: bell.runId, value: toBellText(bell) };
}

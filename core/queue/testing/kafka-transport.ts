/** The queue on Kafka as a role has it, without what is told of it. */
import { systemClock } from "../../clock.ts";
import { connectKafka } from "../kafka.ts";
import { isRefusal } from "../kafka-faults.ts";
import { createLateTransport, type LateReport } from "../late-transport.ts";
import type { SupervisionReport } from "../supervise-consumer.ts";
import type { QueueTransport } from "../transport.ts";

export interface TestTransportOptions {
  brokers: string[];
  topicPrefix: string;
  partitions: number;
  onError?(message: string, error: unknown): void;
  onGroupChange?(message: string, detail: unknown): void;
  onConnected?(): void;
  ofLane?: Partial<SupervisionReport>;
}

const ignore = () => {};

/** At once; it is connected beside. */
export function createTestTransport(options: TestTransportOptions): QueueTransport {
  const { brokers, topicPrefix, partitions, onError = ignore, onGroupChange = ignore } = options;
  const clock = systemClock;
  const report: LateReport = {
    connected: options.onConnected ?? ignore,
    notConnected: (error) => onError("not connected", error),
    ofLane: () => ({ joined: ignore, lost: ignore, hopeless: ignore, ...options.ofLane }),
  };
  const transport = createLateTransport({
    name: "kafka",
    open: () =>
      connectKafka({ brokers, clientId: "test", topicPrefix, partitions, clock, onError, onGroupChange }),
    ...{ isRefusal, clock, random: Math.random, report },
  });
  transport.connect();
  return transport;
}

/** Resolves once the broker has what the transport needs. */
export async function openTestTransport(options: TestTransportOptions): Promise<QueueTransport> {
  const connected = Promise.withResolvers<void>();
  const transport = createTestTransport({ ...options, onConnected: connected.resolve });
  await connected.promise;
  return transport;
}

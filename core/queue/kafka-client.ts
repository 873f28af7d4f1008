/**
 * A client of Kafka whose end does not depend on the broker: kafkajs waits for the answers under way before it closes
 * a connection, for ever where the broker stands still. States: open → closed (its connections are cut, it opens no
 * other, and what it says no longer counts).
 */
import { connect, type Socket } from "node:net";
import { type ISocketFactory, Kafka, logLevel } from "kafkajs";
import type { Clock } from "../clock.ts";
import { isClusterChange } from "./kafka-log.ts";

export interface KafkaClientSettings {
  brokers: string[];
  clientId: string;
  clock: Clock;
  onError(message: string, error: unknown): void;
  /** Members came or went, a coordinator or a leader moved, a topic is new: no fault. */
  onGroupChange(message: string, detail: unknown): void;
}

export interface KafkaClient {
  kafka: Kafka;
  /** Says goodbye by `disconnect`, for a moment; then every connection is cut. Never rejects. */
  close(disconnect?: () => Promise<unknown>): Promise<void>;
}

const CONNECT_MS = 3_000;
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;
/** For the broker to hear of it. */
const GOODBYE_MS = 3_000;

export function openKafkaClient(settings: KafkaClientSettings): KafkaClient {
  const { brokers, clientId, clock, onError, onGroupChange } = settings;
  const sockets = createSockets();
  const kafka = new Kafka({
    clientId,
    brokers,
    socketFactory: sockets.factory,
    connectionTimeout: CONNECT_MS,
    requestTimeout: REQUEST_MS,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 6 },
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log }) => {
        if (!sockets.isCut()) (isClusterChange(log) ? onGroupChange : onError)(log.message, log["error"]);
      },
  });
  return {
    kafka,
    async close(disconnect = async () => {}) {
      const said = new AbortController();
      const saying = disconnect()
        .catch(() => undefined)
        .finally(() => said.abort());
      await Promise.race([saying, clock.sleep(GOODBYE_MS, said.signal)]);
      sockets.cut();
    },
  };
}

function createSockets() {
  const open = new Set<Socket>();
  let isCut = false;
  const factory: ISocketFactory = ({ host, port, onConnect }) => {
    if (isCut) throw new Error("the client is closed");
    const socket = connect({ host, port }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    return socket;
  };
  return {
    factory,
    isCut: () => isCut,
    cut() {
      isCut = true;
      // By an error: kafkajs takes no note of a mere close.
      for (const socket of open) socket.destroy(new Error("the client is closed"));
    },
  };
}

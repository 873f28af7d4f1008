/**
 * kafkajs 2.2.4 looks for requests that wait on a connection every millisecond, for as long as the connection lives
 * (its issue 1704). Almost never does one wait, and whoever puts one there sets such a look himself: without any that
 * waits, none is set here.
 */
import type { Kafka } from "kafkajs";

interface RequestQueue {
  pending: unknown[];
  /** Sets a timer for the next look. */
  scheduleCheckPendingRequests(): void;
}

/** What kafkajs keeps to itself. */
interface Cluster {
  connectionPoolBuilder: {
    /** Connects to nothing yet. */
    build(to: { host: string; port: number }): Promise<{ pool: { requestQueue: RequestQueue }[] }>;
  };
}

const mended = new WeakSet<object>();

/** Of every client, from now on. */
export async function stopIdlePolling(kafka: Kafka): Promise<void> {
  const queues = await findPrototype(kafka);
  if (mended.has(queues)) return;
  mended.add(queues);
  const schedule = queues.scheduleCheckPendingRequests;
  queues.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/** By way of an instance: where kafkajs is bundled, its files cannot be imported one by one. */
async function findPrototype(kafka: Kafka): Promise<RequestQueue> {
  const key = Object.getOwnPropertySymbols(kafka).find(
    ({ description }) => description === "private:Kafka:createCluster",
  );
  if (key === undefined) throw new Error("this version of kafkajs makes its clusters otherwise");
  const createCluster = (kafka as unknown as Record<symbol, (options: object) => Cluster>)[key]!;
  const { pool } = await createCluster({}).connectionPoolBuilder.build({ host: "127.0.0.1", port: 0 });
  return Object.getPrototypeOf(pool[0]!.requestQueue) as RequestQueue;
}

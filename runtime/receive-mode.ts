/** What each way of receiving runs needs. */

import type { ReceiveMode } from "../core/domain/lane.ts";
import { BellhopError } from "../core/errors.ts";

/** Throws `invalid_setting` where WORKER_RECEIVE asks for a way that only Kafka carries, and there is none. */
export function demandKafka(receive: ReceiveMode, brokers: string[]): void {
  if (receive === "queue" || brokers.length > 0) return;
  throw new BellhopError(
    "invalid_setting",
    500,
    `WORKER_RECEIVE=${receive} needs Kafka: set KAFKA_BROKERS, or leave WORKER_RECEIVE out. Without Kafka the queue is Postgres itself, and every worker takes any run from it.`,
  );
}

/** Throws `invalid_setting` where workers would take nothing of what waits in the queue, which is what their autoscaler goes by. */
export function demandQueue(receive: ReceiveMode): void {
  if (receive !== "events") return;
  throw new BellhopError(
    "invalid_setting",
    500,
    "WORKER_RECEIVE=events is for workers that are scaled by the requests they are sent. An autoscaler goes by what waits in the queue, and its workers would take none of it: leave WORKER_RECEIVE out.",
  );
}

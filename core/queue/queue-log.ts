/** What the queue on Kafka tells: one line when something goes, one a minute while it is away, one when it is back. */
import type { Clock } from "../clock.ts";
import type { Lane } from "../domain/lane.ts";
import type { Logger } from "../telemetry/log.ts";
import type { SendReport } from "./bounded-sends.ts";
import type { KafkaClientSettings } from "./kafka-client.ts";
import { createOutageLog } from "./kafka-log.ts";
import type { LateReport } from "./late-transport.ts";

export interface QueueLogParts {
  clock: Clock;
  log: Logger;
  onClientError?(): void;
  onConsumerLost?(lane: Lane): void;
  onHopeless?(error: Error): void;
}

export interface QueueLog {
  client: Pick<KafkaClientSettings, "onError" | "onGroupChange">;
  late: LateReport;
  sends: SendReport;
}

export function createQueueLog(parts: QueueLogParts): QueueLog {
  const { clock, log, onClientError, onConsumerLost, onHopeless } = parts;
  const [ofClient, ofConnection, ofSends] = [1, 2, 3].map(() => createOutageLog(clock)) as [
    Outage,
    Outage,
    Outage,
  ];

  function warn(outage: Outage, facts: object, message: string): void {
    const { isTold, untold } = outage.failed();
    log[isTold ? "warn" : "debug"](untold > 0 ? { ...facts, untold } : facts, message);
  }

  return {
    client: {
      onError(message, error) {
        onClientError?.();
        warn(ofClient, { error }, `kafka: ${message}`);
      },
      onGroupChange: (message, detail) => log.debug({ detail }, `kafka: ${message}`),
    },
    late: {
      notConnected: (error) =>
        warn(
          ofConnection,
          { error },
          "kafka is not connected; runs are found in the table, and it is tried again",
        ),
      connected() {
        if (ofConnection.healed()) log.info({}, "kafka is connected");
      },
      ofLane(lane) {
        const ofLane = createOutageLog(clock);
        return {
          joined() {
            ofLane.healed();
            log.info({ lane }, "bells are heard");
          },
          lost(error, waitMs, wasMember) {
            if (wasMember) onConsumerLost?.(lane);
            warn(
              ofLane,
              { error, lane, waitMs },
              "bells are not heard; runs are found in the table, and the group is joined again",
            );
          },
          hopeless(error) {
            log.error({ error, lane }, "bells cannot be heard by this process any more");
            onHopeless?.(error);
          },
        };
      },
    },
    sends: {
      away: (error) => warn(ofSends, { error }, "bells are not sent; workers find their runs in the table"),
      carries(refused) {
        if (ofSends.healed()) log.info({ refused }, "bells are sent again");
      },
    },
  };
}

type Outage = ReturnType<typeof createOutageLog>;

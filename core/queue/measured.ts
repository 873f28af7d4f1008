/** A queue that counts what goes through it. */

import type { Lane } from "../domain/lane.ts";
import type { ConnectionMetrics } from "../telemetry/metrics/connections.ts";
import type { BellHandler, QueueTransport } from "./transport.ts";

export function measureTransport(transport: QueueTransport, metrics: ConnectionMetrics): QueueTransport {
  return {
    ...transport,
    async ring(bells, lane = "runs") {
      if (bells.length === 0) return;
      const done = metrics.ringSeconds.startTimer();
      try {
        await transport.ring(bells, lane);
        metrics.bellsSent.inc({ lane }, bells.length);
      } catch (error) {
        metrics.queueErrors.inc({ operation: "ring" });
        throw error;
      } finally {
        done();
      }
    },
    async consume(handler, lane = "runs") {
      const consumption = await transport.consume(measureHandler(handler, lane, metrics), lane);
      consumption.hearing.watch((isHeard) => metrics.hearing.set({ lane }, isHeard ? 1 : 0));
      return consumption;
    },
    async publishDeadLetters(letters) {
      try {
        await transport.publishDeadLetters(letters);
      } catch (error) {
        metrics.queueErrors.inc({ operation: "publish" });
        throw error;
      }
    },
  };
}

function measureHandler(handler: BellHandler, lane: Lane, metrics: ConnectionMetrics): BellHandler {
  return {
    onBells(bells) {
      metrics.bellsReceived.inc({ lane }, bells.length);
      return handler.onBells(bells);
    },
    onHint() {
      metrics.hintsReceived.inc();
      handler.onHint();
    },
  };
}

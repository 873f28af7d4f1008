/** A span for each send of bells whose runs are traced, linked to what made those runs. */
import type { Tracer } from "../telemetry/tracing.ts";
import { nameQueues } from "./names.ts";
import type { Bell, QueueTransport } from "./transport.ts";

/** A span keeps no more. */
const MAX_LINKS = 128;
const SYSTEMS = { kafka: "kafka", postgres: "postgresql" } as const;

/** The system's name by OpenTelemetry's conventions. */
export function messagingSystemOf({ name }: Pick<QueueTransport, "name">): string {
  return SYSTEMS[name];
}

export function traceTransport(
  transport: QueueTransport,
  tracer: Tracer,
  topicPrefix: string,
): QueueTransport {
  if (!tracer.isOn) return transport;
  const { topics } = nameQueues(topicPrefix);
  return {
    ...transport,
    async ring(bells, lane = "runs") {
      const links = findLinks(bells);
      if (links.length === 0) return await transport.ring(bells, lane);
      const span = tracer.beginTrace(`send ${topics[lane]}`, links, {
        // A message's own span is the one that made its run.
        kind: "client",
        attributes: {
          "messaging.system": messagingSystemOf(transport),
          "messaging.operation.name": "ring",
          "messaging.operation.type": "send",
          "messaging.destination.name": topics[lane],
          "messaging.batch.message_count": bells.length,
        },
      });
      try {
        await transport.ring(bells, lane);
      } catch (error) {
        span.fail((error as Error).name);
        throw error;
      } finally {
        span.end();
      }
    },
  };
}

function findLinks(bells: Bell[]): string[] {
  const links: string[] = [];
  for (const { traceparent } of bells) {
    if (traceparent) links.push(traceparent);
    if (links.length === MAX_LINKS) break;
  }
  return links;
}

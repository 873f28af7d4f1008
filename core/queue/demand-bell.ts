/** On a transport whose bells do not pass through the database: an autoscaler at zero listens there, and nowhere else. */
import type { Notifier } from "../store/notify.ts";
import type { QueueTransport } from "./transport.ts";

/** Rings `bellhop_demand` beside each send. The first goes at once, then at most ten a second do. */
export function withDemandBell(transport: QueueTransport, notifier: Notifier): QueueTransport {
  return {
    ...transport,
    ring(bells, lane) {
      if (bells.length > 0) notifier.notify("bellhop_demand");
      return transport.ring(bells, lane);
    },
  };
}

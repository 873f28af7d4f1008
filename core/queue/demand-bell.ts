/**
 * On a transport whose bells do not pass through the database: who listens there hears of them too. Autoscalers at zero
 * listen nowhere else, and a worker does while the transport does not reach it.
 */
import type { Listener } from "../store/listen.ts";
import type { Notifier } from "../store/notify.ts";
import type { QueueTransport } from "./transport.ts";

/** Rings `bellhop_demand` beside each send. The first goes at once, then at most ten a second do. */
export function withDemandBell(
  transport: QueueTransport,
  notifier: Notifier,
  listener: Pick<Listener, "on">,
): QueueTransport {
  return {
    ...transport,
    ring(bells, lane) {
      if (bells.length > 0) notifier.notify("bellhop_demand");
      return transport.ring(bells, lane);
    },
    async consume(handler, lane) {
      const { hearing, stop } = await transport.consume(handler, lane);
      let isStopped = false;
      void listener.on("bellhop_demand", () => {
        if (!isStopped && !hearing.isHeard) handler.onHint();
      });
      return {
        hearing,
        stop() {
          isStopped = true;
          return stop();
        },
      };
    },
  };
}

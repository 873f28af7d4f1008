/** What goes out into the world: requests and e-mails. */
import { Counter, type Registry } from "prom-client";

export function createOutboundMetrics(registry: Registry) {
  const requests = new Counter({
    name: "bellhop_egress_requests_total",
    help: "Requests that went out or were refused: `answered`, whatever the status, or the code of what went wrong.",
    labelNames: ["outcome"] as const,
    registers: [registry],
  });
  for (const outcome of ["answered", "egress_blocked", "port_blocked"]) requests.inc({ outcome }, 0);
  const emails = new Counter({
    name: "bellhop_emails_total",
    help: "E-mails handed to the provider: `accepted`, `partly_refused`, or the code of what went wrong.",
    labelNames: ["outcome"] as const,
    registers: [registry],
  });
  for (const outcome of ["accepted", "partly_refused"]) emails.inc({ outcome }, 0);
  return { requests, emails };
}

export type OutboundMetrics = ReturnType<typeof createOutboundMetrics>;

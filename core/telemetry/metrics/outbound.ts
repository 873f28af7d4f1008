/** What goes out into the world: requests and e-mails. */
import type { Registry } from "prom-client";
import type { EgressErrorCode } from "../../egress/egress-error.ts";
import { createKnownCounter, listAll, seriesOf } from "./known-counter.ts";

const REQUEST_OUTCOMES = listAll<EgressErrorCode | "answered" | "other">({
  answered: true,
  invalid_request: true,
  egress_blocked: true,
  port_blocked: true,
  dns_failed: true,
  connect_failed: true,
  tls_failed: true,
  connection_reset: true,
  bad_response: true,
  bad_redirect: true,
  too_many_redirects: true,
  unexpected_redirect: true,
  body_not_replayable: true,
  response_too_large: true,
  overloaded: true,
  request_timeout: true,
  aborted: true,
  other: true,
});

/** Codes of the mail providers, which are the worker's: one that is missing does not compile where it is counted. */
const EMAIL_OUTCOMES = [
  ...(["accepted", "partly_refused"] as const),
  ...(["mail_invalid", "smtp_rejected", "smtp_deferred", "smtp_unavailable", "mail_auth_failed"] as const),
  ...(["mail_provider_rejected", "mail_provider_error", "mail_provider_unavailable"] as const),
  ...(["aborted", "other"] as const),
];

export function createOutboundMetrics(registry: Registry) {
  const registers = [registry];
  const requests = createKnownCounter(
    {
      name: "bellhop_egress_requests_total",
      help: "Requests that went out or were refused: `answered`, whatever the status, or the code of what went wrong.",
      registers,
    },
    seriesOf("outcome", REQUEST_OUTCOMES),
  );
  const emails = createKnownCounter(
    {
      name: "bellhop_emails_total",
      help: "E-mails handed to the provider: `accepted`, `partly_refused`, or the code of what went wrong.",
      registers,
    },
    seriesOf("outcome", EMAIL_OUTCOMES),
  );
  return { requests, emails };
}

export type OutboundMetrics = ReturnType<typeof createOutboundMetrics>;

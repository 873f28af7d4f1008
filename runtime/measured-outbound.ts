/** Outgoing requests and e-mails, counted by outcome. */
import type { Egress } from "../core/egress/egress.ts";
import { EgressError } from "../core/egress/egress-error.ts";
import type { OutboundMetrics } from "../core/telemetry/metrics/outbound.ts";
import { MailError, type Mailer } from "./email/mail-provider.ts";

/** Streamed answers count once their head is there. */
export function measureEgress(egress: Egress, { requests }: OutboundMetrics): Egress {
  function countAnswer<T>(answer: T): T {
    requests.inc({ outcome: "answered" });
    return answer;
  }
  function countFailure(error: unknown): never {
    requests.inc({ outcome: error instanceof EgressError ? error.code : "other" });
    throw error;
  }
  const count = <T>(answering: Promise<T>): Promise<T> =>
    answering.then(countAnswer, countFailure) as Promise<T>;
  return {
    request: (request) => count(egress.request(request)),
    stream: (request) => count(egress.stream(request)),
    close: () => egress.close(),
  };
}

export function measureMail(mailer: Mailer, { emails }: OutboundMetrics): Mailer {
  return {
    name: mailer.name,
    async send(message, signal, origin) {
      try {
        const receipt = await mailer.send(message, signal, origin);
        emails.inc({ outcome: receipt.rejected.length === 0 ? "accepted" : "partly_refused" });
        return receipt;
      } catch (error) {
        emails.inc({ outcome: error instanceof MailError ? error.code : "other" });
        throw error;
      }
    },
    close: () => mailer.close(),
  };
}

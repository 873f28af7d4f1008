/** Runs an e-mail task: one message, handed to the provider that the operator chose. */
import { domainToASCII } from "node:url";
import { parseMailbox } from "../../core/contracts/mailbox.ts";
import { failed, succeeded } from "../../core/domain/attempt.ts";
import type { EmailSpec } from "../../core/domain/task-spec.ts";
import { MailError, type Mailer, type MailMessage } from "../email/mail-provider.ts";
import type { TaskRunner } from "./task-runner.ts";

export interface EmailRunnerOptions {
  /** Null where e-mails are neither sent nor captured. */
  provider: Mailer | null;
  /** The sender of tasks that name none. */
  from?: string | undefined;
}

export function createEmailRunner({ provider, from: defaultFrom }: EmailRunnerOptions): TaskRunner {
  return async (run, context) => {
    if (run.spec.type !== "email") throw new TypeError(`an e-mail runner got a run of type ${run.spec.type}`);
    const spec = run.spec;
    if (provider === null) {
      return failed("email_not_configured", "No mail provider is configured; set EMAIL_URL.", {
        retryable: false,
      });
    }
    const from = spec.from ?? defaultFrom;
    if (from === undefined) {
      return failed("email_no_sender", "The task names no sender and EMAIL_FROM is not set.", {
        retryable: false,
      });
    }
    const started = performance.now();
    const span = context.span.startChild("send e-mail", {
      kind: "client",
      attributes: {
        "bellhop.email.provider": provider.name,
        "bellhop.email.recipients": countRecipients(spec),
      },
    });
    const durationMs = () => Math.round(performance.now() - started);
    try {
      const { messageId, accepted, rejected } = await provider.send(
        composeMessage(run.id, spec, from),
        context.signal,
        { namespaceId: run.namespaceId, runId: run.id, redactor: context.secrets?.redactor },
      );
      const fields = {
        provider: provider.name,
        messageId,
        accepted: accepted.length,
        rejected: rejected.length,
        durationMs: durationMs(),
      };
      const outcome =
        rejected.length === 0 ? "accepted" : `accepted, ${rejected.length} of its recipients refused`;
      context.log(
        rejected.length === 0 ? "info" : "warn",
        `E-mail ${outcome} by ${provider.name} in ${fields.durationMs} ms`,
        fields,
      );
      return succeeded({ provider: provider.name, messageId, accepted, rejected });
    } catch (error) {
      if (!(error instanceof MailError)) throw error;
      const { code, message, retryable, retryAfterMs } = error;
      span.fail(code);
      context.log("warn", `E-mail failed: ${message}`, {
        provider: provider.name,
        code,
        durationMs: durationMs(),
      });
      return failed(code, message, { retryable, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
    } finally {
      span.end();
    }
  };
}

function countRecipients({ to, cc, bcc }: EmailSpec): number {
  return to.length + cc.length + bcc.length;
}

function composeMessage(runId: string, spec: EmailSpec, from: string): MailMessage {
  const { to, cc, bcc, replyTo, subject, body, html, attachments } = spec;
  return {
    messageId: messageIdOf(runId, from),
    from,
    to,
    cc,
    bcc,
    replyTo,
    subject,
    text: body,
    html,
    attachments,
  };
}

/** One id for all attempts at a run, so that a mail system that already has the message can tell. */
function messageIdOf(runId: string, from: string): string {
  const domain = parseMailbox(from)?.address.split("@").pop() ?? "";
  const ascii = domainToASCII(domain);
  return `<${runId}@${/^[a-z0-9.-]+$/i.test(ascii) ? ascii : "bellhop.invalid"}>`;
}

/** Keeps e-mails in a mailbox instead of sending them. */
import type { CapturedMessage } from "../../core/contracts/captured-email.ts";
import { NOTHING_TO_REDACT, type Redactor } from "../../core/secrets/redact.ts";
import type { KeptEmail } from "../../core/store/captured-emails.ts";
import { MailError, type Mailer, type MailMessage, refuseControlCharacters } from "./mail-provider.ts";

/** The sender of captured e-mails that name none, where EMAIL_FROM names none either. */
export const CAPTURED_FROM = "bellhop@localhost";

export function createCapturingMailer(keep: (email: KeptEmail) => Promise<unknown>): Mailer {
  return {
    name: "mailbox",
    async send(message, _signal, { namespaceId, runId, redactor = NOTHING_TO_REDACT }) {
      refuseControlCharacters(message);
      try {
        await keep({ namespaceId, runId, message: redactTexts(toCaptured(message), redactor) });
      } catch {
        throw new MailError("mail_provider_unavailable", "The mailbox could not be written.", {
          retryable: true,
        });
      }
      const { messageId, to, cc, bcc } = message;
      return { messageId, accepted: [...to, ...cc, ...bcc], rejected: [] };
    },
    async close() {},
  };
}

function toCaptured({ from, to, cc, bcc, replyTo, subject, ...rest }: MailMessage): CapturedMessage {
  return {
    ...{ from, to, cc, bcc, replyTo: replyTo ?? null, subject },
    ...{ text: rest.text ?? null, html: rest.html ?? null },
    attachments: rest.attachments.map(({ filename, content, contentType }) => ({
      filename,
      contentType: contentType ?? null,
      bytes: Buffer.byteLength(content, "base64"),
    })),
  };
}

/** Those in which a task's secrets may stand. */
function redactTexts(captured: CapturedMessage, { text: redact }: Redactor): CapturedMessage {
  const { subject, text, html } = captured;
  return { ...captured, subject: redact(subject), text: text && redact(text), html: html && redact(html) };
}

/** Keeps e-mails in a mailbox instead of sending them. */
import type { CapturedMessage } from "../../core/contracts/captured-email.ts";
import type { KeptEmail } from "../../core/store/captured-emails.ts";
import { MailError, type Mailer, type MailMessage, refuseControlCharacters } from "./mail-provider.ts";

/** The sender of captured e-mails that name none, where EMAIL_FROM names none either. */
export const CAPTURED_FROM = "bellhop@localhost";

export function createCapturingMailer(keep: (email: KeptEmail) => Promise<unknown>): Mailer {
  return {
    name: "mailbox",
    async send(message, _signal, origin) {
      refuseControlCharacters(message);
      try {
        await keep({ ...origin, message: toCaptured(message) });
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

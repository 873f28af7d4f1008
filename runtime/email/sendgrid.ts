import { parseMailbox } from "../../core/contracts/mailbox.ts";
import type { Json } from "../../core/json.ts";
import type { MailDialect } from "./http-provider.ts";

export const sendgrid: MailDialect = {
  name: "sendgrid",
  endpoint: "https://api.sendgrid.com",
  path: "/v3/mail/send",
  headers: (key) => ({ Authorization: `Bearer ${key}` }),
  body: ({ messageId, from, to, cc, bcc, replyTo, subject, text, html, attachments }) => ({
    personalizations: [recipients({ to, cc, bcc })],
    from: toParty(from),
    ...(replyTo === undefined ? {} : { reply_to: toParty(replyTo) }),
    subject,
    content: contents(text, html),
    headers: { "Message-ID": messageId },
    ...(attachments.length > 0
      ? {
          attachments: attachments.map(({ filename, content, contentType }) => ({
            content,
            filename,
            disposition: "attachment",
            ...(contentType === undefined ? {} : { type: contentType }),
          })),
        }
      : {}),
  }),
  messageIdOf: ({ headers }) => headers["x-message-id"],
  problemOf: ({ json }) => {
    const errors = Array.isArray(json["errors"])
      ? (json["errors"] as { message?: unknown; field?: unknown }[])
      : [];
    return errors
      .map((error) => [error?.field, error?.message].filter((part) => typeof part === "string").join(": "))
      .join("; ");
  },
  retryAfterMsOf: ({ headers }, now) => {
    const resetAtSeconds = Number(headers["x-ratelimit-reset"] ?? Number.NaN);
    return Number.isSafeInteger(resetAtSeconds)
      ? Math.max(0, resetAtSeconds * 1_000 - now.getTime())
      : undefined;
  },
};

/** SendGrid refuses an address that stands twice; the first mention, in the order to, cc, bcc, holds. */
function recipients(lists: Record<"to" | "cc" | "bcc", string[]>): { [list: string]: Json } {
  const seen = new Set<string>();
  const unique: { [list: string]: Json } = {};
  for (const [list, addresses] of Object.entries(lists)) {
    const parties = addresses.map(toParty).filter(({ email }) => {
      const isNew = !seen.has(email.toLowerCase());
      seen.add(email.toLowerCase());
      return isNew;
    });
    if (parties.length > 0) unique[list] = parties;
  }
  return unique;
}

function toParty(address: string): { email: string; name?: string } {
  const mailbox = parseMailbox(address);
  if (!mailbox) return { email: address };
  return mailbox.name === "" ? { email: mailbox.address } : { email: mailbox.address, name: mailbox.name };
}

/** At least one part, none empty, text before html. */
function contents(text: string | undefined, html: string | undefined): Json[] {
  const parts: Json[] = [];
  if (text) parts.push({ type: "text/plain", value: text });
  if (html) parts.push({ type: "text/html", value: html });
  return parts.length > 0 ? parts : [{ type: "text/plain", value: " " }];
}

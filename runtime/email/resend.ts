import type { MailDialect } from "./http-provider.ts";

/** Resend keeps its own Message-ID; its idempotency key is what makes a repeated send one message, for a day. */
export const resend: MailDialect = {
  name: "resend",
  endpoint: "https://api.resend.com",
  path: "/emails",
  headers: (key, { messageId }) => ({
    Authorization: `Bearer ${key}`,
    "Idempotency-Key": messageId.replace(/[<>]/g, "").slice(0, 256),
  }),
  body: ({ from, to, cc, bcc, replyTo, subject, text, html, attachments }) => ({
    from,
    to,
    ...(cc.length > 0 ? { cc } : {}),
    ...(bcc.length > 0 ? { bcc } : {}),
    ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    subject,
    ...(text === undefined ? {} : { text }),
    ...(html === undefined ? {} : { html }),
    ...(attachments.length > 0
      ? {
          attachments: attachments.map(({ filename, content, contentType }) => ({
            filename,
            content,
            ...(contentType === undefined ? {} : { content_type: contentType }),
          })),
        }
      : {}),
  }),
  messageIdOf: ({ json }) => (typeof json["id"] === "string" ? json["id"] : undefined),
  problemOf: ({ json }) =>
    [json["name"], json["message"]].filter((part) => typeof part === "string").join(": "),
  // The same message is under way on another connection, from an attempt given up.
  isTemporary: ({ status, json }) => status === 409 && json["name"] === "concurrent_idempotent_requests",
};

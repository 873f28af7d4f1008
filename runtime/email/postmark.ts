import type { MailDialect } from "./http-provider.ts";

export const postmark: MailDialect = {
  name: "postmark",
  endpoint: "https://api.postmarkapp.com",
  path: "/email",
  headers: (key) => ({ "X-Postmark-Server-Token": key }),
  body: ({ messageId, from, to, cc, bcc, replyTo, subject, text, html, attachments }) => ({
    From: from,
    To: to.join(", "),
    ...(cc.length > 0 ? { Cc: cc.join(", ") } : {}),
    ...(bcc.length > 0 ? { Bcc: bcc.join(", ") } : {}),
    ...(replyTo === undefined ? {} : { ReplyTo: replyTo }),
    Subject: subject,
    ...(text === undefined ? {} : { TextBody: text }),
    ...(html === undefined ? {} : { HtmlBody: html }),
    // The second keeps Postmark from replacing the first.
    Headers: [
      { Name: "Message-ID", Value: messageId },
      { Name: "X-PM-KeepID", Value: "true" },
    ],
    ...(attachments.length > 0
      ? {
          Attachments: attachments.map(({ filename, content, contentType = "application/octet-stream" }) => ({
            Name: filename,
            Content: content,
            ContentType: contentType,
          })),
        }
      : {}),
  }),
  messageIdOf: ({ json }) => (typeof json["MessageID"] === "string" ? json["MessageID"] : undefined),
  problemOf: ({ json }) =>
    typeof json["Message"] === "string" ? `${json["Message"]} (ErrorCode ${json["ErrorCode"]})` : undefined,
};

/** An e-mail that was captured instead of sent, as the API shows it. */
import type { JsonObject } from "../json.ts";

/** What is kept of a message; of its attachments only what they are. */
export interface CapturedMessage {
  from: string;
  to: string[];
  cc: string[];
  bcc: string[];
  replyTo: string | null;
  subject: string;
  text: string | null;
  html: string | null;
  attachments: { filename: string; contentType: string | null; bytes: number }[];
}

export interface CapturedEmail {
  id: string;
  runId: string;
  capturedAt: Date;
  message: CapturedMessage;
}

export function toWireEmail({ id, runId, capturedAt, message }: CapturedEmail): JsonObject {
  const { from, to, cc, bcc, replyTo, subject, text, html, attachments } = message;
  return {
    ...{ id, runId, at: capturedAt.toISOString() },
    ...{ from, to, cc, bcc, replyTo, subject, text, html },
    attachments: attachments.map(({ filename, contentType, bytes }) => ({ filename, contentType, bytes })),
  };
}

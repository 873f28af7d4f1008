/** An e-mail that was captured instead of sent, as the API shows it. */
import { z } from "zod";
import { idOutput, instantOutput } from "./common.ts";

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

export const emailOutput = z
  .object({
    id: idOutput,
    runId: idOutput,
    at: instantOutput,
    from: z.string(),
    to: z.array(z.string()),
    cc: z.array(z.string()),
    bcc: z.array(z.string()),
    replyTo: z.string().nullable(),
    subject: z.string(),
    text: z.string().nullable(),
    html: z.string().nullable(),
    attachments: z
      .array(z.object({ filename: z.string(), contentType: z.string().nullable(), bytes: z.int() }))
      .meta({ description: "Their names, types and sizes; their contents are not stored." }),
  })
  .meta({
    id: "Email",
    description: "An e-mail that was captured instead of sent.",
    examples: [
      {
        id: "01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2f",
        runId: "01961b7e-8f6a-7c3d-9e2b-5a1f0c4d3e2a",
        at: "2026-12-01T09:00:00.120Z",
        from: "bellhop@localhost",
        to: ["Ada <ada@example.com>"],
        cc: [],
        bcc: [],
        replyTo: null,
        subject: "Your report",
        text: "It is ready.",
        html: "<p>It is ready.</p>",
        attachments: [{ filename: "report.txt", contentType: "text/plain", bytes: 5 }],
      },
    ],
  });
export type WireEmail = z.output<typeof emailOutput>;

export function toWireEmail({ id, runId, capturedAt, message }: CapturedEmail): WireEmail {
  const { from, to, cc, bcc, replyTo, subject, text, html, attachments } = message;
  return {
    ...{ id, runId, at: capturedAt.toISOString() },
    ...{ from, to, cc, bcc, replyTo, subject, text, html },
    attachments: attachments.map(({ filename, contentType, bytes }) => ({ filename, contentType, bytes })),
  };
}

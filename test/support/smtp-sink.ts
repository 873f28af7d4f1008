/** A real SMTP server on loopback that records what it is sent and refuses what the test says. */
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { SMTPServer, type SMTPServerSession } from "smtp-server";
import { createRecording, type WaitOptions } from "./recording.ts";

export interface SinkMessage {
  envelope: { from: string; to: string[] };
  /** The message as sent, headers and body. */
  raw: string;
  /** The subject header, unfolded, not decoded. */
  subject: string | undefined;
  /** When it had arrived, in epoch ms. */
  at: number;
}

export interface SmtpStep {
  step: "connect" | "from" | "to" | "data";
  /** The sender's at `from`, the recipient's at `to`. */
  address?: string;
}

export interface SmtpRefusal {
  /** 4xx for now, 5xx for good. */
  code: number;
  message?: string;
}

export interface SmtpSink {
  port: number;
  /** `smtp://127.0.0.1:PORT`. */
  url: string;
  /** The accepted ones. */
  messages: SinkMessage[];
  /** Set it to refuse at a step; default: accepts everything. */
  refuse: (at: SmtpStep) => SmtpRefusal | undefined;
  waitFor(matches: (message: SinkMessage) => boolean, options?: WaitOptions): Promise<SinkMessage[]>;
  /** Ends open connections too. */
  close(): Promise<void>;
}

export async function createSmtpSink(): Promise<SmtpSink> {
  const recording = createRecording<SinkMessage>("mail");
  const decide = (step: SmtpStep): Error | null => {
    const refusal = sink.refuse(step);
    if (!refusal) return null;
    return Object.assign(new Error(refusal.message ?? "refused by the test"), { responseCode: refusal.code });
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    onConnect: (_session, done) => done(decide({ step: "connect" })),
    onMailFrom: ({ address }, _session, done) => done(decide({ step: "from", address })),
    onRcptTo: ({ address }, _session, done) => done(decide({ step: "to", address })),
    onData(stream, session, done) {
      // A connection that breaks off is no message.
      stream.toArray().then(
        (chunks: Buffer[]) => {
          const refused = decide({ step: "data" });
          if (!refused) recording.add(messageOf(Buffer.concat(chunks).toString("utf8"), session));
          done(refused);
        },
        (error: Error) => done(error),
      );
    },
  });
  server.on("error", () => {});
  const listener = server.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const sockets = new Set<Socket>();
  listener.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const sink: SmtpSink = {
    port,
    url: `smtp://127.0.0.1:${port}`,
    messages: recording.items,
    refuse: () => undefined,
    waitFor: recording.waitFor,
    async close() {
      recording.end("the sink was closed.");
      if (!listener.listening) return;
      const closed = once(listener, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return sink;
}

function messageOf(raw: string, { envelope }: SMTPServerSession): SinkMessage {
  const headers = raw.slice(0, raw.indexOf("\r\n\r\n") + 2).replace(/\r\n(?=[ \t])/g, "");
  return {
    envelope: {
      from: envelope.mailFrom ? envelope.mailFrom.address : "",
      to: envelope.rcptTo.map(({ address }) => address),
    },
    raw,
    subject: /^subject:[ \t]*(.*)$/im.exec(headers)?.[1]?.trim(),
    at: Date.now(),
  };
}

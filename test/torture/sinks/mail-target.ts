/** A mail server that takes everything and writes down what it took. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";

/** Resolves with its port. */
export async function listenForMail(record: (entry: object) => void): Promise<number> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    onData(stream, _session, done) {
      stream.toArray().then(
        (chunks: Buffer[]) => {
          const raw = Buffer.concat(chunks).toString("utf8");
          record({ event: "mail", at: Date.now(), runId: runIdOf(raw) });
          done();
        },
        (error: Error) => done(error),
      );
    },
  });
  // Senders that are killed leave their connections.
  server.on("error", () => {});
  const listener = server.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return (listener.address() as AddressInfo).port;
}

/** All attempts of a run carry its id in the Message-ID. */
function runIdOf(raw: string): string | null {
  return /^message-id:\s*<([0-9a-f-]{36})@/im.exec(raw)?.[1] ?? null;
}

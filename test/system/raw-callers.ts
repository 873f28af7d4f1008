/** Callers below HTTP: what they send, and whether they read, is up to the test. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawCaller {
  socket: Socket;
  /** What was answered so far. */
  said(): string;
  /** Resolves when that matches. */
  heard(pattern: RegExp): Promise<void>;
  /** All that was answered, once the connection is over. */
  ended: Promise<string>;
}

/** Resolves when the request is out. `reads: false` takes nothing of the answer until the connection is over. */
export async function dial(
  url: string,
  request: string,
  { reads = true }: { reads?: boolean } = {},
): Promise<RawCaller> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("error", () => {});
  const ended = once(socket, "close").then(() => answer);
  if (reads) socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
  await once(socket, "connect");
  await new Promise<void>((resolve) => socket.write(request, () => resolve()));
  return {
    socket,
    said: () => answer,
    async heard(pattern) {
      while (!pattern.test(answer)) await once(socket, "data");
    },
    ended,
  };
}

/** Ports of loopback that nobody has, for programs that must be told one. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** Below those that Linux gives to outgoing connections, which would take one before its program listens, or between two of its starts. */
const [LEAST, MOST] = [15_000, 32_000];

/** Different ones: all are held until all are known. Another process that asks here may draw the same, by a chance of one in thousands. */
export async function freePorts(count: number): Promise<number[]> {
  const held: { port: number; server: Server }[] = [];
  while (held.length < count) {
    const port = randomInt(LEAST, MOST);
    const server = await tryToListen(port);
    if (server) held.push({ port, server });
  }
  await Promise.all(held.map(({ server }) => once(server.close(), "close")));
  return held.map(({ port }) => port);
}

/** Undefined where somebody has it. */
async function tryToListen(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
}

/**
 * How much of responses waits in this process for clients to take it. A list's page is made at once and waits as a whole:
 * without a bound many clients who do not read would fill the heap before the first of them is cut off.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";

/** What is beyond is refused at the door. */
export const MAX_UNTAKEN_BYTES = 128_000_000;
/** Counting asks every connection, and may be asked by every request. */
const COUNTED_FOR_MS = 50;

export interface UntakenResponses {
  /** Counts the server's connections, from now on. */
  watch(server: Server): void;
  bytes(): number;
}

export function createUntakenResponses({ steadyMs }: Pick<Clock, "steadyMs">): UntakenResponses {
  const sockets = new Set<Socket>();
  let bytes = 0;
  let countedMs = Number.NEGATIVE_INFINITY;
  return {
    watch(server) {
      server.on("connection", (socket: Socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
    },
    bytes() {
      const nowMs = steadyMs();
      if (nowMs - countedMs < COUNTED_FOR_MS) return bytes;
      countedMs = nowMs;
      bytes = 0;
      for (const { writableLength } of sockets) bytes += writableLength;
      return bytes;
    },
  };
}

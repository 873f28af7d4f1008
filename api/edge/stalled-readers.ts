/**
 * Ends connections whose clients do not take what is there for them, or below a least rate. A quiet response is none of
 * these: nothing waits. What the kernel has taken counts as taken, since nobody here sees further: it comes in lumps,
 * and a response has up to some megabytes' start.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import type { Rate } from "./least-rate.ts";

export interface StallOptions {
  rate: Rate;
  clock: Clock;
  signal: AbortSignal;
  onCut(socket: Socket): void;
}

/** Looks within a grace. */
const LOOKS = 6;

interface Reader {
  takenBytes: number;
  /** Whether something waited for it at the last look. */
  isWaitedFor: boolean;
  /** As in least-rate.ts. */
  debtMs: number;
}

export function cutStalledReaders(server: Server, { rate, clock, signal, onCut }: StallOptions): void {
  const readers = new Map<Socket, Reader>();
  server.on("connection", (socket: Socket) => {
    readers.set(socket, { takenBytes: 0, isWaitedFor: false, debtMs: 0 });
    socket.once("close", () => readers.delete(socket));
  });

  function look(passedMs: number): void {
    for (const [socket, reader] of readers) {
      const takenBytes = countTaken(socket);
      const paidMs = ((takenBytes - reader.takenBytes) * 1_000) / rate.bytesPerSecond;
      reader.takenBytes = takenBytes;
      reader.debtMs = reader.isWaitedFor ? Math.max(0, reader.debtMs + passedMs - paidMs) : 0;
      reader.isWaitedFor = socket.writableLength > 0;
      if (!reader.isWaitedFor || reader.debtMs < rate.graceMs) continue;
      onCut(socket);
      // A reset: the kernel would keep what was not taken, and offer it for minutes more.
      socket.resetAndDestroy();
    }
  }

  const lookAgainAndAgain = async () => {
    for (let lastMs = clock.now().getTime(); ; ) {
      await clock.sleep(rate.graceMs / LOOKS, signal);
      if (signal.aborted) return;
      const nowMs = clock.now().getTime();
      look(nowMs - lastMs);
      lastMs = nowMs;
    }
  };
  void lookAgainAndAgain();
}

/**
 * What the kernel has taken, to the byte: a large answer is one write, and done or not done is all that Node's streams
 * say of it. Node's own socket timeouts go by the handle's queue as well.
 */
export function countTaken(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { bytesWritten: number; writeQueueSize: number } | null };
  return handle ? handle.bytesWritten - handle.writeQueueSize : socket.bytesWritten - socket.writableLength;
}

/**
 * Rings staged runs at their instants. Holds bells in memory until then; the sweep finds those lost with the process.
 * Bells of one moment travel in one send.
 */
import type { Clock } from "../core/clock.ts";
import type { Bell, QueueTransport } from "../core/queue/transport.ts";

/** A bell leaves this much before its instant: the worker that hears it waits out the rest. */
export const RING_LEAD_MS = 15;
const BELLS_PER_SEND = 1_000;

export interface Ringer {
  add(bells: Bell[]): void;
  /** Sends what is due; called by the timer, and by tests. Returns the wait until the next bell, null for none. */
  tick(now: Date): number | null;
  /** Rings what still waits, early: workers wait the rest out. Resolves once all is sent. */
  close(): Promise<void>;
}

export function createRinger(
  transport: Pick<QueueTransport, "ring">,
  clock: Clock,
  report: { rung(count: number): void; failed(error: unknown): void },
): Ringer {
  /** By the millisecond at which they leave. */
  const waiting = new Map<number, Bell[]>();
  const sending = new Set<Promise<void>>();
  const closed = new AbortController();
  let timer: { firesAtMs: number; abort: AbortController } | undefined;

  function send(bells: Bell[]): void {
    for (let from = 0; from < bells.length; from += BELLS_PER_SEND) {
      const part = bells.slice(from, from + BELLS_PER_SEND);
      const sent: Promise<void> = transport
        .ring(part)
        .then(() => report.rung(part.length), report.failed)
        .finally(() => sending.delete(sent));
      sending.add(sent);
    }
  }

  function tick(now: Date): number | null {
    // Moments, flattened at the end: a herd is more than one call takes as arguments.
    const due: Bell[][] = [];
    let nextMs: number | null = null;
    for (const [leaveAtMs, bells] of waiting) {
      if (leaveAtMs <= now.getTime()) {
        due.push(bells);
        waiting.delete(leaveAtMs);
      } else if (nextMs === null || leaveAtMs < nextMs) nextMs = leaveAtMs;
    }
    if (due.length > 0) send(due.flat());
    return nextMs === null ? null : nextMs - now.getTime();
  }

  function arm(): void {
    const waitMs = tick(clock.now());
    if (waitMs === null || closed.signal.aborted) return;
    const firesAtMs = clock.now().getTime() + waitMs;
    if (timer && timer.firesAtMs <= firesAtMs) return;
    timer?.abort.abort();
    const mine = { firesAtMs, abort: new AbortController() };
    timer = mine;
    void clock.sleep(waitMs, mine.abort.signal).then(() => {
      if (timer !== mine) return;
      timer = undefined;
      arm();
    });
  }

  return {
    add(bells) {
      for (const bell of bells) {
        const leaveAtMs = bell.availableAt.getTime() - RING_LEAD_MS;
        const others = waiting.get(leaveAtMs);
        if (others) others.push(bell);
        else waiting.set(leaveAtMs, [bell]);
      }
      arm();
    },
    tick,
    async close() {
      closed.abort();
      timer?.abort.abort();
      timer = undefined;
      send([...waiting.values()].flat());
      waiting.clear();
      await Promise.all(sending);
    },
  };
}

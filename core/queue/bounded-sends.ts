/**
 * Sends that end, however the queue fails. States: carrying → (a send fails, or is not done in time) away → (one send at
 * a time is tried, the others are refused at once; one succeeds) carrying. What is refused is found in the table.
 */
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../telemetry/log.ts";
import type { QueueTransport } from "./transport.ts";

/** A send that takes longer is given up: nobody waits for it. It may still arrive. */
const SEND_MS = 5_000;

/** What was sent did not go. */
export class QueueAway extends Error {
  override name = "QueueAway";
}

/** Where a sender tells of it: that the queue is away is told once, by the queue itself, not by each who meets it. */
export const unsentLevel = (error: unknown) => (error instanceof QueueAway ? "debug" : "warn");

/** Of bells of runs, which the scheduler's sweep finds in the table. */
export const tellUnsentBells = (log: Logger) => (error: unknown) =>
  log[unsentLevel(error)]({ error }, "bells were not sent; the sweep rings them again");

export interface SendReport {
  away(error: unknown): void;
  /** Sends go through again, after so many that were refused. */
  carries(refused: number): void;
}

export function boundSends(transport: QueueTransport, clock: Clock, report: SendReport): QueueTransport {
  let away: { refused: number; isTrying: boolean } | undefined;

  async function withinTime(work: Promise<void>): Promise<void> {
    const done = new AbortController();
    const late = clock.sleep(SEND_MS, done.signal).then(() => {
      if (!done.signal.aborted) throw new Error(`no answer within ${SEND_MS} ms`);
    });
    await Promise.race([work, late]).finally(() => done.abort());
  }

  async function send(begin: () => Promise<void>): Promise<void> {
    if (away?.isTrying) {
      away.refused += 1;
      throw new QueueAway("the queue is away, and one send is being tried already");
    }
    const mine = away;
    if (mine) mine.isTrying = true;
    try {
      await withinTime(begin());
      if (away) report.carries(away.refused);
      away = undefined;
    } catch (error) {
      report.away(error);
      away ??= { refused: 0, isTrying: false };
      if (mine) mine.isTrying = false;
      throw new QueueAway(`the queue took nothing: ${messageOf(error)}`, { cause: error });
    }
  }

  return {
    ...transport,
    ring: async (bells, lane) => {
      if (bells.length > 0) await send(() => transport.ring(bells, lane));
    },
    publishDeadLetters: async (letters) => {
      if (letters.length > 0) await send(() => transport.publishDeadLetters(letters));
    },
  };
}

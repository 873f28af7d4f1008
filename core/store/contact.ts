/**
 * How long the database has been reached without a gap. Whoever judges leases needs to know: while a database stands
 * still, or after another server took its place, every lease looks expired though its worker lives.
 *
 * States: unknown → steady since an instant → (a gap, another server, a clock that jumped) → steady since a later one.
 */
import { sql } from "kysely";
import type { Db } from "./database.ts";

/** What a database says of itself. */
export interface ServerWord {
  /** By the database's clock. */
  at: Date;
  /** The same to the microsecond, for comparisons in SQL. */
  exactAt: string;
  /** Another server, such as a promoted standby, has another. */
  serverStartedAt: Date;
}

/** A query for it: one row, its instant taken once. */
export const SERVER_WORD = `
  SELECT at, at::text AS "exactAt", pg_postmaster_start_time() AS "serverStartedAt"
  FROM (SELECT clock_timestamp() AS at OFFSET 0) AS asked`;

export async function askServer(db: Db): Promise<ServerWord> {
  const { rows } = await sql<ServerWord>`${sql.raw(SERVER_WORD)}`.execute(db);
  return rows[0]!;
}

interface Steady {
  sinceMs: number;
  last: ServerWord;
  heardAtMs: number;
  /** The end of the last silence that was no gap by itself; undefined: there was none since it is steady. */
  silentUntilMs?: number;
}

export interface Contact {
  /**
   * Takes the database's word, heard at `heardAtMs` of a clock that only moves on; answers for how long there has been
   * no gap, by the database's clock. 0: contact begins with this word.
   */
  hear(word: ServerWord, heardAtMs: number): number;
}

/** Words are asked for more often than this share of the longest gap that is none: a silence is what lasts longer. */
const SILENCE_SHARE = 2 / 3;

/**
 * @param maxGapMs words further apart than this are a gap, by either clock. So is a second silence, of more than 2/3 of it,
 * within twice as much: a worker that renews its lease each 2/3 of it may not have met the moment between the two
 */
export function createContact(maxGapMs: number): Contact {
  let steady: Steady | undefined;
  return {
    hear(word, heardAtMs) {
      // Two questions were under way, and this is the older one's answer.
      if (steady && isOvertaken(steady, word, maxGapMs)) return steady.last.at.getTime() - steady.sinceMs;
      const atMs = word.at.getTime();
      if (!steady || !follows(steady, word, heardAtMs, maxGapMs)) {
        steady = { sinceMs: atMs, last: word, heardAtMs };
        return 0;
      }
      const isSilence = endsSilence(steady, word, maxGapMs);
      steady = { ...steady, last: word, heardAtMs, ...(isSilence ? { silentUntilMs: atMs } : {}) };
      return atMs - steady.sinceMs;
    },
  };
}

function isOvertaken({ last }: Steady, word: ServerWord, maxGapMs: number): boolean {
  const aheadMs = last.at.getTime() - word.at.getTime();
  return (
    aheadMs > 0 && aheadMs <= maxGapMs && word.serverStartedAt.getTime() === last.serverStartedAt.getTime()
  );
}

function follows(steady: Steady, word: ServerWord, nowMs: number, maxGapMs: number): boolean {
  const { last, heardAtMs, silentUntilMs = Number.NEGATIVE_INFINITY } = steady;
  const gapMs = word.at.getTime() - last.at.getTime();
  const isSoonAfterSilence = word.at.getTime() - silentUntilMs <= 2 * maxGapMs;
  return (
    word.serverStartedAt.getTime() === last.serverStartedAt.getTime() &&
    gapMs >= 0 &&
    gapMs <= maxGapMs &&
    nowMs - heardAtMs <= maxGapMs &&
    !(isSoonAfterSilence && endsSilence(steady, word, maxGapMs))
  );
}

const endsSilence = ({ last }: Steady, word: ServerWord, maxGapMs: number): boolean =>
  word.at.getTime() - last.at.getTime() > SILENCE_SHARE * maxGapMs;

/** Says whether leases may be judged as of the instant of a word: once contact has lasted for a whole lease. */
export interface LeaseJudge {
  mayJudge(word: ServerWord): boolean;
}

/** @param monotonicMs a clock that only moves on */
export function createLeaseJudge(
  leaseMs: number,
  monotonicMs: () => number = () => performance.now(),
): LeaseJudge {
  // Whoever lives renews after a third of its lease and tries again at once: a shorter gap cannot cost it the lease.
  const contact = createContact(leaseMs / 2);
  return { mayJudge: (word) => contact.hear(word, monotonicMs()) >= leaseMs };
}

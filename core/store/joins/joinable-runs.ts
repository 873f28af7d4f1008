/**
 * Queued runs that further calls may join, by the place at which they do: one row for each, beside the run's own. States
 * of a row: open → gone, with the run's instant at the latest. A run is joined before its instant and claimed after it,
 * and either locks its row in `task_runs_open`: what a join has added is what the claim takes, or the join finds the run
 * gone and another begins.
 *
 * Whoever joins holds the place's advisory lock, so that of several first calls one makes the run. Order of locks: the
 * task that is called, the place, its row, then rows of runs. The row is no truth about the run: where the run was cancelled, a row is left until
 * its instant, and whoever comes by it finds out.
 */
import { sql } from "kysely";
import type { Held } from "../../domain/joining.ts";
import { BellhopError } from "../../errors.ts";
import { ADVISORY_LOCKS } from "../advisory-locks.ts";
import type { QueryScope } from "../database.ts";
import { LOCK_NOT_AVAILABLE } from "../idempotency.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import type { Transaction } from "../transaction.ts";

/** Where calls meet. */
export interface JoinPlace {
  namespaceId: string;
  /** What they call, and whether they are collected or debounced. */
  scope: string;
  /** What they must have in common. */
  key: string;
}

export interface JoinableRun extends Held {
  runId: string;
  openedAt: Date;
  /** Its instant. */
  dueAt: Date;
}

/** What is due within this is taken for due, so that its bell leaves in time. */
const CLOSE_AHEAD_MS = 15;
const CLOSE_BATCH = 1_000;

/** A transaction waits so long for a place: it holds a connection meanwhile. */
const PLACE_WAIT_MS = 2_000;
const RETRY_AFTER_SECONDS = 2;

/** The wait for this lock alone is bounded: what follows waits as ever. */
const LOCK = `SELECT set_config('lock_timeout', '${PLACE_WAIT_MS}', true), pg_advisory_xact_lock(${ADVISORY_LOCKS.joinRuns}, hashtext(concat_ws(E'\\n', $1::text, $2::text, $3::text))),
  set_config('lock_timeout', '0', true)`;

const FIND = `SELECT n.now, j.* FROM (SELECT clock_timestamp() AS now) AS n LEFT JOIN LATERAL (
    SELECT run_id AS "runId", opened_at AS "openedAt", due_at AS "dueAt", count, bytes FROM joinable_runs
    WHERE namespace_id = $1 AND scope = $2 AND key = $3 AND due_at > n.now FOR UPDATE
  ) AS j ON true`;

const SAVE = `INSERT INTO joinable_runs (namespace_id, scope, key, run_id, opened_at, due_at, count, bytes)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  ON CONFLICT (namespace_id, scope, key) DO UPDATE SET run_id = excluded.run_id, opened_at = excluded.opened_at,
    due_at = excluded.due_at, count = excluded.count, bytes = excluded.bytes`;

const valuesOf = ({ namespaceId, scope, key }: JoinPlace) => [namespaceId, scope, key];

/** 503: others are joining there, and nothing was done. */
export const placeBusy = () =>
  new BellhopError(
    "overloaded",
    503,
    "More calls with this key come at once than can be joined in time; try again in a moment.",
    [],
    RETRY_AFTER_SECONDS,
  );

/** Takes the place until the transaction ends; 503 `overloaded` where others have it for longer than 2 s. */
export async function holdPlace({ pool }: Transaction, place: JoinPlace): Promise<void> {
  await pool
    .query({ name: "lock-join-place", text: LOCK, values: valuesOf(place) })
    .catch((error: unknown) => {
      throw (error as { code?: unknown }).code === LOCK_NOT_AVAILABLE ? placeBusy() : error;
    });
}

/** Takes the place: the database's time, and the run that may be joined there. */
export async function lockPlace(
  tx: Transaction,
  place: JoinPlace,
): Promise<{ now: Date; open: JoinableRun | undefined }> {
  await holdPlace(tx, place);
  // A statement of its own: it sees what was waited for.
  const { rows } = await tx.pool.query<{ now: Date } & (JoinableRun | { runId: null })>({
    name: "find-joinable-run",
    text: FIND,
    values: valuesOf(place),
  });
  const { now, ...open } = rows[0]!;
  return { now, open: open.runId === null ? undefined : open };
}

/** What may be joined at the place from now on; undefined: nothing. */
export async function savePlace(
  { pool }: Transaction,
  place: JoinPlace,
  run: JoinableRun | undefined,
): Promise<void> {
  if (!run) {
    const text = "DELETE FROM joinable_runs WHERE namespace_id = $1 AND scope = $2 AND key = $3";
    await pool.query({ name: "leave-join-place", text, values: valuesOf(place) });
    return;
  }
  const { runId, openedAt, dueAt, count, bytes } = run;
  const values = [...valuesOf(place), runId, openedAt, dueAt, count, bytes];
  await pool.query({ name: "save-joinable-run", text: SAVE, values });
}

export interface ClosedRuns {
  /** Due within a moment: to be rung. */
  runs: StagedRun[];
  /** Until the next one is; null: there is none. */
  nextInMs: number | null;
}

/** Ends what is due: nobody joins it any more. A run that just moves on is left to the next look. */
export async function closeDueRuns({ db }: QueryScope): Promise<ClosedRuns> {
  const horizon = sql`(clock_timestamp() + ${CLOSE_AHEAD_MS}::int * interval '1 millisecond')`;
  const { rows } = await sql<{ runId: string; availableAt: Date }>`
    DELETE FROM joinable_runs WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM joinable_runs WHERE due_at <= ${horizon} ORDER BY due_at LIMIT ${CLOSE_BATCH} FOR UPDATE SKIP LOCKED))
    RETURNING run_id AS "runId", due_at AS "availableAt"`.execute(db);
  const next = await sql<{ nextInMs: number | null }>`
    SELECT extract(epoch FROM min(due_at) - ${horizon})::float8 * 1000 AS "nextInMs" FROM joinable_runs`.execute(
    db,
  );
  return { runs: rows, nextInMs: next.rows[0]!.nextInMs };
}

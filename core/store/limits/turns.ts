/**
 * The order of a line: by priority, and in it by turns. In the line of a queue the runs of each concurrency key, and those of
 * none, have turns one after the other; whoever is the first of its key joins the turn that is next. So the runs of several
 * keys start alternately, however many of each wait, and to find the next ones is to read the line from its beginning. In the
 * line of any other limit all have the same turn, and go by age.
 *
 * A turn is given when a run comes into a line (its place there, start-time fair queueing), under the lock of the limit. One
 * that has the first turn already keeps it.
 */
import { WAITING } from "./permits.ts";

/** Before all that are given: of a retry for whose sake its queue rested (core/store/queues/rest-queue.ts), until it is claimed. */
export const FIRST_TURN = -1;

/** Of rows by this name, as the index `task_runs_open_line` has those of one line. */
export const inLine = (row: string) =>
  `${row}.priority DESC, ${row}.turn NULLS FIRST, ${row}.available_at, ${row}.id`;

/** The columns that `inLine` and `acrossLines` read. */
export const LINE_COLUMNS = "r.waiting_key AS line_key, r.priority, r.turn, r.available_at";

/**
 * The rows of a CTE (id and `LINE_COLUMNS`) from several lines, each with its `position` in its own: as those stand apart,
 * so many from the beginning of each. To be ordered by `acrossLines`.
 */
export const withPositions = (rows: string) =>
  `(SELECT *, row_number() OVER (PARTITION BY line_key ORDER BY ${inLine("w")}) AS position FROM ${rows} AS w)`;

/** A turn of one line says nothing beside that of another: it is the first of each, then the second of each. */
export const acrossLines = (row: string) => `${row}.position, ${row}.available_at, ${row}.id`;

/**
 * Of the rows of a CTE (id, key, turn_key, priority, available_at, and `turn` as it was) that come into the lines of their
 * keys, whose locks are held: a CTE `turns` (id, turn).
 */
export const giveTurns = (source: string) => `
  first_turns AS MATERIALIZED (
    SELECT g.key, g.turn_key, g.priority, coalesce(
        (SELECT r.turn + 1 FROM task_runs_open r
          WHERE ${WAITING} = g.key AND r.turn_key = g.turn_key AND r.priority = g.priority AND r.turn > ${FIRST_TURN}
          ORDER BY r.turn DESC LIMIT 1),
        (SELECT r.turn FROM task_runs_open r
          WHERE ${WAITING} = g.key AND r.priority = g.priority AND r.turn IS DISTINCT FROM ${FIRST_TURN}
          ORDER BY r.turn NULLS FIRST LIMIT 1),
        0) AS turn
    FROM (SELECT DISTINCT key, turn_key, priority FROM ${source} AS s WHERE turn_key IS NOT NULL) AS g
  ), turns AS MATERIALIZED (
    SELECT s.id, CASE WHEN s.turn = ${FIRST_TURN} THEN s.turn ELSE coalesce(f.turn - 1 + row_number() OVER (
        PARTITION BY s.key, s.turn_key, s.priority ORDER BY s.available_at, s.id), 0) END AS turn
    FROM ${source} AS s LEFT JOIN first_turns f
      ON f.key = s.key AND f.turn_key = s.turn_key AND f.priority = s.priority
  )`;

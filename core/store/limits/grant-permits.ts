/**
 * waiting → granted: permits that are free go to the runs whose turn it is, which may be claimed from then on. To be
 * called, and what it returns rung, after permits of a key were given back or its limit was changed.
 */
import { decideAdmission } from "../../domain/admission.ts";
import { turnKeyOf } from "../../domain/limit-keys.ts";
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { STAGED, type StagedRun } from "../runs/staged-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { type LimitRow, lockLimits, toFree, toLookText, withQueues } from "./limit-rows.ts";
import { CALLED, isAsSeen, SOME_KEYS, WAITING } from "./permits.ts";
import { acrossLines, giveTurns, inLine, LINE_COLUMNS, withPositions } from "./turns.ts";

/** The most runs that one look grants permits to, of all its keys together. */
export const GRANT_BATCH = 500;
const MAX_LOOKS = 4;
/** Each look is so much deeper than the one before: where the first in line need a key that is full, others are behind them. */
const DEEPER = 8;

const LOOK = `
  WITH line AS (
    SELECT w.* FROM json_to_recordset($1::json) AS k(key text, free int) CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS} AS keys, ${LINE_COLUMNS} FROM task_runs_open r WHERE ${WAITING} = k.key
      ORDER BY ${inLine("r")} LIMIT k.free) AS w
  )
  SELECT id, keys, line_key AS "lineKey" FROM ${withPositions("line")} AS w
  ORDER BY w.priority DESC, ${acrossLines("w")} LIMIT $2`;

// What another has locked for a moment, or has changed, is left alone, and found by the next look. A key is called out
// where as many of its runs have been called up as may start: there is nobody to call until one of those has started.
const GRANT = `
  WITH chosen AS MATERIALIZED (
    SELECT r.id, s.permits, s.key, s.turn_key, s.called, r.priority, r.turn, r.available_at
    FROM json_to_recordset($2::json) AS s(id uuid, keys text[], standing text, permits text[], key text, turn_key text,
      called text[])
      JOIN task_runs_open r ON r.id = s.id
    WHERE ${isAsSeen("s")} FOR UPDATE OF r SKIP LOCKED
  ), granted AS (
    UPDATE task_runs_open r SET waiting_for = NULL, room = NULL, permits = c.permits,
      waiting_key = CASE WHEN c.permits IS NOT NULL OR c.called IS NOT NULL THEN r.waiting_key END
    FROM chosen c WHERE r.id = c.id AND c.key IS NULL
    RETURNING ${STAGED}
  ), moving AS MATERIALIZED (
    SELECT * FROM chosen WHERE key IS NOT NULL
  ), ${giveTurns("moving")}, moved AS (
    UPDATE task_runs_open r SET waiting_key = m.key, turn = t.turn, turn_key = m.turn_key
    FROM moving m JOIN turns t ON t.id = m.id WHERE r.id = m.id
  ), taken AS MATERIALIZED (
    SELECT p.key, count(*)::int AS count FROM chosen, unnest(permits) AS p(key) GROUP BY p.key
  ), called_up AS MATERIALIZED (
    SELECT c.key, count(*)::int AS count FROM chosen, unnest(called) AS c(key) GROUP BY c.key
  ), wanted AS MATERIALIZED (
    SELECT key FROM moving UNION SELECT key FROM called_up
  ), counted AS (
    UPDATE run_limits l SET permits_held = n.held, has_waiting = n.waits, is_called_out = n.called_out
    FROM (
      SELECT l.key, l.permits_held + coalesce(t.count, 0) AS held,
        coalesce(s.called + coalesce(u.count, 0) > 0 AND s.free <= coalesce(u.count, 0), false) AS called_out,
        l.key IN (SELECT key FROM wanted) OR coalesce((
          SELECT true FROM task_runs_open r WHERE ${WAITING} = l.key AND NOT r.id IN (SELECT id FROM chosen) LIMIT 1), (
          SELECT true FROM task_runs_open r WHERE ${CALLED} AND r.waiting_key = l.key LIMIT 1),
          false) AS waits
      FROM run_limits l LEFT JOIN taken t ON t.key = l.key LEFT JOIN called_up u ON u.key = l.key
        LEFT JOIN json_to_recordset($3::json) AS s(key text, called int, free int) ON s.key = l.key
      WHERE l.key = ANY($1::text[])
    ) AS n
    WHERE ${byIndex("l.key", "n.key")}
      AND (l.permits_held <> n.held OR l.has_waiting <> n.waits OR l.is_called_out <> n.called_out)
  )
  SELECT * FROM granted`;

// Kept while runs waited for it.
const REMOVE_ENDED = `
  WITH ended AS (
    DELETE FROM run_limits WHERE key = ANY($1::text[]) AND concurrency IS NULL AND NOT has_waiting RETURNING key
  ) DELETE FROM returned_permits WHERE key IN (SELECT key FROM ended)`;

interface LineRow {
  id: string;
  keys: string[];
  /** In whose line it waits. */
  lineKey: string;
}

interface Look {
  granted: StagedRun[];
  /** Some of the line need these too, whose locks are not held. */
  furtherKeys: string[];
  /** Some of the line waited for another key: there may be permits left for those behind them. */
  hasMoved: boolean;
}

/**
 * The runs that may be claimed now: at most as many of each key as it has permits left, oldest first. Where they are
 * `GRANT_BATCH` or more, others may be left.
 */
export async function grantPermits(store: Store, keys: string[]): Promise<StagedRun[]> {
  const granted: StagedRun[] = [];
  let locked = withQueues(keys);
  for (let looks = 0; locked.length > 0 && looks < MAX_LOOKS; looks += 1) {
    const look = await inTransaction(store.pool, (tx) => grant(tx, locked, DEEPER ** looks));
    granted.push(...look.granted);
    if (look.furtherKeys.length === 0 && !look.hasMoved) break;
    locked = withQueues([...locked, ...look.furtherKeys]);
  }
  return granted;
}

async function grant(tx: Transaction, keys: string[], depth: number): Promise<Look> {
  const limits = await lockLimits(tx, keys);
  const called = await countCalled(tx, limits);
  const free = toFree(limits);
  for (const [key, count] of called) free.set(key, Math.max(0, free.get(key)! - count));
  const inSight = new Map(Array.from(free, ([key, count]) => [key, count * depth]));
  const { rows } = await tx.pool.query<LineRow>({
    name: "look-who-waits",
    text: LOOK,
    values: [toLookText(keys, inSight, GRANT_BATCH), GRANT_BATCH],
  });
  const known = new Set(keys);
  const furtherKeys = rows.flatMap((run) => run.keys).filter((key) => !known.has(key));
  const line = rows.filter((run) => run.keys.every((key) => known.has(key)));
  return { furtherKeys, ...(await write(tx, { keys, limits, called, free, line })) };
}

const COUNT_CALLED = {
  name: "count-called",
  text: `SELECT r.waiting_key AS key, count(*)::int AS count FROM task_runs_open r
    WHERE ${CALLED} AND r.waiting_key = ANY($1::text[]) GROUP BY r.waiting_key`,
};

/** How many runs of each key with a rate were called up and have not started. */
async function countCalled(tx: Transaction, limits: LimitRow[]): Promise<Map<string, number>> {
  const rated = limits.flatMap(({ key, bucket }) => (bucket ? [key] : []));
  if (rated.length === 0) return new Map();
  const { rows } = await tx.pool.query<{ key: string; count: number }>({ ...COUNT_CALLED, values: [rated] });
  return new Map(rows.map(({ key, count }) => [key, count]));
}

interface Line {
  keys: string[];
  limits: LimitRow[];
  called: ReadonlyMap<string, number>;
  /** How many runs of each key may be granted permits, or be called up besides those that were. */
  free: ReadonlyMap<string, number>;
  line: LineRow[];
}

async function write(
  tx: Transaction,
  { keys, limits, called, free, line }: Line,
): Promise<Omit<Look, "furtherKeys">> {
  const { admitted, refused } = decideAdmission(line, free);
  const rated = new Set(limits.flatMap(({ key, bucket }) => (bucket ? [key] : [])));
  const rowOf = new Map(line.map((row) => [row.id, row]));
  const moved = refused.filter(({ id, key }) => rowOf.get(id)!.lineKey !== key);
  const chosen = [
    ...admitted.map(({ id, keys }) =>
      keys.some((key) => rated.has(key))
        ? { id, permits: null, key: null, called: keys }
        : { id, permits: toPermits(keys, free), key: null },
    ),
    ...moved.map(({ id, key }) => ({
      id,
      permits: null,
      key,
      turn_key: turnKeyOf(rowOf.get(id)!.keys, key),
    })),
  ].map((run) => ({ ...run, keys: rowOf.get(run.id)!.keys, standing: "waiting" }));
  const callable = [...rated].map((key) => ({ key, called: called.get(key) ?? 0, free: free.get(key)! }));
  const { rows } = await tx.pool.query<StagedRun>({
    name: "grant-permits",
    text: GRANT,
    values: [keys, JSON.stringify(chosen), JSON.stringify(callable)],
  });
  if (limits.some(({ concurrency }) => concurrency === null)) await tx.pool.query(REMOVE_ENDED, [keys]);
  return { granted: rows, hasMoved: moved.length > 0 };
}

/** Null: no limit holds for the run any more, and it is claimed like any other. */
function toPermits(keys: readonly string[], free: ReadonlyMap<string, number>): string[] | null {
  const permits = keys.filter((key) => free.has(key));
  return permits.length > 0 ? permits : null;
}

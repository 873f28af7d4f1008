/** queued → running, or waiting: where the permits of a key do not go round, decided one run at a time, under its lock. */
import { decideStarts } from "../../domain/admission.ts";
import { turnKeyOf } from "../../domain/limit-keys.ts";
import type { Store } from "../database.ts";
import { CLAIMABLE_BY_ID, isDue } from "../runs/claimable.ts";
import {
  type ClaimedRun,
  type ClaimRow,
  describe,
  specOf,
  TAKEN,
  TIMEOUT_MS,
  TRAFFIC,
  toClaimedRun,
} from "../runs/claimed-run.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { lockLimits, toFree, toLookText, withQueues } from "./limit-rows.ts";
import {
  CALLED,
  GRANTED,
  isAsSeen,
  SOME_KEYS,
  STANDING,
  type Standing,
  useRateOfLine,
  WAITING,
} from "./permits.ts";
import { acrossLines, FIRST_TURN, giveTurns, inLine, LINE_COLUMNS, withPositions } from "./turns.ts";

/** A claimable run, and the limits that hold for it. */
export interface LimitedRun {
  id: string;
  keys: string[];
}

// By the claimer's `longestMs`.
const SUITS = `($4::int IS NULL OR ${TIMEOUT_MS} <= $4)`;

/** Of the same priority, whoever was called comes before whoever waits, and who is new after both, but for the first turn. */
const BY_STANDING = `CASE WHEN w.turn = ${FIRST_TURN} THEN -1 WHEN w.standing = 'claimable' THEN 2
  WHEN w.standing = 'waiting' THEN 1 ELSE 0 END`;

// Of each key as many as could start now: nobody else stands between them and their start. Of those that were granted
// permits, the first ones, which start next, and in `yielding` the last ones of a lower priority than some that are asked for.
const LOOK = `
  WITH l AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS k(key text, free int)
  ), asked AS MATERIALIZED (
    SELECT r.id, ${SOME_KEYS} AS keys, ${STANDING} AS standing, ${LINE_COLUMNS}, true AS asked, true AS suits
    FROM task_runs_open r
    WHERE r.id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} AND (r.waiting_key IS NULL OR r.permits IS NULL)
  ), line AS (
    SELECT * FROM asked
    UNION ALL
    SELECT w.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS}, 'waiting', ${LINE_COLUMNS}, false, ${SUITS} FROM task_runs_open r WHERE ${WAITING} = l.key
      ORDER BY ${inLine("r")} LIMIT l.free) AS w
    UNION ALL
    SELECT c.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS}, 'called', ${LINE_COLUMNS}, false, ${SUITS} FROM task_runs_open r
      WHERE ${CALLED} AND r.waiting_key = l.key AND NOT r.id = ANY($1::uuid[])
      ORDER BY ${inLine("r")} LIMIT l.free) AS c
    UNION ALL
    SELECT g.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS}, 'granted', ${LINE_COLUMNS}, false, true FROM task_runs_open r
      WHERE ${GRANTED} AND r.waiting_key = l.key AND ${SUITS} ORDER BY ${inLine("r")} LIMIT $3) AS g
  ), yielding AS (
    SELECT y.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS} AS keys, r.priority, r.permits, r.available_at FROM task_runs_open r
      WHERE ${GRANTED} AND r.waiting_key = l.key AND r.priority < (SELECT max(priority) FROM asked)
      ORDER BY r.priority, r.turn DESC NULLS LAST, r.available_at DESC LIMIT $3) AS y
  )
  SELECT id, keys, standing, priority, asked AS "isAsked", suits AS "suitsWorker", CASE WHEN asked THEN (
      SELECT json_agg(y.* ORDER BY y.priority DESC, y.available_at) FROM yielding AS y) END AS yielding
  FROM ${withPositions("line")} AS w
  ORDER BY w.priority DESC, ${BY_STANDING}, ${acrossLines("w")}`;

interface LineRow {
  id: string;
  keys: string[];
  standing: Standing;
  priority: number;
  isAsked: boolean;
  suitsWorker: boolean;
  /** Of all rows that are asked for, the same. */
  yielding: YieldingRow[] | null;
}

/** A run that was granted its permits. */
interface YieldingRow {
  id: string;
  keys: string[];
  priority: number;
  permits: string[];
}

// What another has locked for a moment is left alone: it looks at the run next, or ends it. So is what another has changed.
// Whoever was called from a line, or granted permits, and is refused in it keeps its turn there. Who would start with what a
// granted run has yielded waits where that one has started meanwhile; the granted one keeps its permits where the other is gone.
const ADMIT = `
  WITH turned_back AS MATERIALIZED (
    SELECT r.id, s.key, s.turn_key, s.yields_to, r.priority, r.turn, r.available_at, r.waiting_key AS called_by,
      CASE WHEN s.standing = 'granted' THEN r.permits END AS yields
    FROM json_to_recordset($3::json) AS s(id uuid, keys text[], standing text, key text, turn_key text, yields_to uuid)
      JOIN task_runs_open r ON r.id = s.id
    WHERE ${isAsSeen("s")} FOR UPDATE OF r SKIP LOCKED
  ), decided AS MATERIALIZED (
    SELECT r.id, r.function_id, coalesce(s.permits, r.permits) AS permits, s.permits IS NOT NULL AS is_new,
      s.instead_of IS NULL OR s.instead_of IN (SELECT id FROM turned_back) AS is_free,
      s.key, s.turn_key, r.priority, r.turn, r.available_at, r.waiting_key AS called_by
    FROM json_to_recordset($2::json) AS s(id uuid, keys text[], standing text, permits text[], instead_of uuid, key text,
        turn_key text)
      JOIN task_runs_open r ON r.id = s.id
    WHERE ${isAsSeen("s")} AND ${isDue()} AND ${SUITS} FOR UPDATE OF r SKIP LOCKED
  ), refused AS MATERIALIZED (
    SELECT id, key, turn_key, priority, turn, available_at, called_by, yields FROM turned_back
    WHERE yields_to IS NULL OR yields_to IN (SELECT id FROM decided)
  ), chosen AS MATERIALIZED (
    SELECT d.*, f.name AS function_name, ${TRAFFIC} AS traffic FROM decided d LEFT JOIN functions f ON f.id = d.function_id
  ), full_up AS MATERIALIZED (
    SELECT * FROM refused
    UNION ALL SELECT id, key, turn_key, priority, turn, available_at, called_by, NULL FROM decided WHERE NOT is_free
  ), coming AS MATERIALIZED (
    SELECT * FROM full_up WHERE called_by IS DISTINCT FROM key
  ), ${giveTurns("coming")}, held AS (
    UPDATE task_runs_open r SET waiting_for = 'concurrency', waiting_key = h.key, permits = NULL, room = 'awaited',
      turn = CASE WHEN t.id IS NULL THEN r.turn ELSE t.turn END, turn_key = h.turn_key
    FROM full_up h LEFT JOIN turns t ON t.id = h.id WHERE r.id = h.id
  ), counted AS (
    UPDATE run_limits l SET permits_held = l.permits_held + n.taken, ${useRateOfLine("n.taken")}, has_waiting = l.has_waiting OR n.waits,
      is_called_out = l.is_called_out AND NOT n.leaves
    FROM (
      SELECT key, sum(taken)::int AS taken, bool_or(waits) AS waits, bool_or(leaves) AS leaves FROM (
        SELECT p.key, 1 AS taken, false AS waits, true AS leaves FROM chosen, unnest(permits) AS p(key)
          WHERE is_new AND is_free
        UNION ALL SELECT p.key, -1, false, false FROM refused, unnest(yields) AS p(key)
        UNION ALL SELECT key, 0, true, false FROM full_up
        UNION ALL SELECT called_by, 0, false, true FROM full_up WHERE called_by IS NOT NULL
      ) AS changes GROUP BY key
    ) AS n WHERE l.key = n.key
  ), ${TAKEN} ${describe("taken k")}`;

/** Who claims. */
export interface Claimer {
  workerId: string;
  /** The longest that an attempt may take on it; null: however long. */
  longestMs: number | null;
}

/**
 * Starts as many of `asked` as there are permits for; the others wait. Runs whose turn comes first start in their
 * place; one that is too long for the claimer keeps its turn.
 */
export async function admitRuns(store: Store, claimer: Claimer, asked: LimitedRun[]): Promise<ClaimedRun[]> {
  const keys = withQueues(asked.flatMap((run) => run.keys));
  const further = await inTransaction(store.pool, async (tx) => {
    const look = await lookAtLine(tx, claimer, asked, keys);
    const needed = keysOfOthers(look.rows).filter((key) => !look.locked.has(key));
    return needed.length > 0 ? { needed } : { claimed: await admit(tx, claimer, asked.length, look) };
  });
  if (further.claimed) return further.claimed;
  // Whose turn it is needs these too: what is locked must be locked in one order, so it is done anew.
  return await inTransaction(store.pool, async (tx) => {
    const look = await lookAtLine(tx, claimer, asked, withQueues([...keys, ...further.needed]));
    return await admit(tx, claimer, asked.length, look);
  });
}

const yieldingOf = (rows: LineRow[]) => rows.find(({ isAsked }) => isAsked)?.yielding ?? [];

const keysOfOthers = (rows: LineRow[]) => [
  ...rows.flatMap(({ standing, isAsked, keys }) => (standing === "granted" || isAsked ? [] : keys)),
  ...yieldingOf(rows).flatMap(({ permits }) => permits),
];

interface Look {
  locked: ReadonlySet<string>;
  free: ReadonlyMap<string, number>;
  rows: LineRow[];
}

async function lookAtLine(
  tx: Transaction,
  { longestMs }: Claimer,
  asked: LimitedRun[],
  keys: string[],
): Promise<Look> {
  const free = toFree(await lockLimits(tx, keys));
  const { rows } = await tx.pool.query<LineRow>({
    name: "look-at-line",
    text: LOOK,
    values: [
      asked.map(({ id }) => id),
      toLookText([...free.keys()], free, asked.length),
      asked.length,
      longestMs,
    ],
  });
  return { locked: new Set(keys), free, rows };
}

async function admit(
  tx: Transaction,
  { workerId, longestMs }: Claimer,
  slots: number,
  { locked, free, rows }: Look,
): Promise<ClaimedRun[]> {
  const areLocked = (keys: string[]) => keys.every((key) => locked.has(key));
  const yielding = yieldingOf(rows);
  const { start, startGranted, hold } = decideStarts({
    slots,
    free,
    granted: rows.filter(({ standing }) => standing === "granted").map(({ id }) => id),
    yielding: yielding.filter(({ permits }) => areLocked(permits)),
    line: rows
      .filter((row) => row.standing !== "granted" && (!row.isAsked || areLocked(row.keys)))
      // One that needs a key whose lock is not held keeps its turn, and is left to who grants it.
      .map((row) => ({ ...row, suitsWorker: row.suitsWorker && areLocked(row.keys) })),
  });
  const seen = new Map([
    ...yielding.map((run) => [run.id, { ...pickSeen(run), standing: "granted" }] as const),
    ...rows.map((run) => [run.id, { ...pickSeen(run), standing: run.standing }] as const),
  ]);
  const toHeld = ({ id, key }: { id: string; key: string }) => ({
    ...seen.get(id)!,
    key,
    turn_key: turnKeyOf(seen.get(id)!.keys, key),
  });
  const started = [
    ...start.map(({ id, keys, insteadOf }) => ({
      ...(insteadOf ? { ...toHeld({ id, key: insteadOf.key }), instead_of: insteadOf.id } : seen.get(id)),
      permits: keys.filter((key) => free.has(key)),
    })),
    ...startGranted.map((id) => ({ ...seen.get(id), permits: null })),
  ];
  const inPlaceOf = new Map(
    start.flatMap(({ id, insteadOf }) => (insteadOf ? [[insteadOf.id, id] as const] : [])),
  );
  const held = hold.map((run) => ({ ...toHeld(run), yields_to: inPlaceOf.get(run.id) }));
  const values = [workerId, JSON.stringify(started), JSON.stringify(held), longestMs];
  const { rows: claimed } = await tx.pool.query<ClaimRow>({ name: "admit-runs", text: ADMIT, values });
  return claimed.map((row) => toClaimedRun(row, row, specOf(row, row.spec), row.spec));
}

const pickSeen = ({ id, keys }: { id: string; keys: string[] }) => ({ id, keys });

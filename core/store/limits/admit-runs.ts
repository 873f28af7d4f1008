/** queued → running, or waiting: where the permits of a key do not go round, decided one run at a time, under its lock. */
import { decideStarts } from "../../domain/admission.ts";
import type { Store } from "../database.ts";
import { CLAIM_ORDER, CLAIMABLE_BY_ID, inTurn, isDue } from "../runs/claimable.ts";
import {
  type ClaimedRun,
  type ClaimRow,
  describe,
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
  useRate,
  WAITING,
} from "./permits.ts";

/** A claimable run, and the limits that hold for it. */
export interface LimitedRun {
  id: string;
  keys: string[];
}

// By the claimer's `longestMs`.
const SUITS = `($4::int IS NULL OR ${TIMEOUT_MS} <= $4)`;

// Of each key as many as could start now: nobody else stands between them and their start.
const LOOK = `
  WITH l AS MATERIALIZED (
    SELECT * FROM json_to_recordset($2::json) AS k(key text, free int)
  ), line AS (
    SELECT r.id, ${SOME_KEYS} AS keys, ${STANDING} AS standing, ${CLAIM_ORDER}, true AS asked, true AS suits
    FROM task_runs_open r
    WHERE r.id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} AND (r.waiting_key IS NULL OR r.permits IS NULL)
    UNION ALL
    SELECT w.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS}, 'waiting', ${CLAIM_ORDER}, false, ${SUITS} FROM task_runs_open r WHERE ${WAITING} = l.key
      ORDER BY ${inTurn("r")} LIMIT l.free) AS w
    UNION ALL
    SELECT c.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS}, 'called', ${CLAIM_ORDER}, false, ${SUITS} FROM task_runs_open r
      WHERE ${CALLED} AND r.waiting_key = l.key AND NOT r.id = ANY($1::uuid[])
      ORDER BY ${inTurn("r")} LIMIT l.free) AS c
    UNION ALL
    SELECT g.* FROM l CROSS JOIN LATERAL (
      SELECT r.id, ${SOME_KEYS}, 'granted', ${CLAIM_ORDER}, false, true FROM task_runs_open r
      WHERE ${GRANTED} AND r.waiting_key = l.key AND ${SUITS} ORDER BY ${inTurn("r")} LIMIT $3) AS g
  )
  SELECT id, keys, standing, asked AS "isAsked", suits AS "suitsWorker" FROM line ORDER BY ${inTurn("line")}`;

interface LineRow {
  id: string;
  keys: string[];
  standing: Standing;
  isAsked: boolean;
  suitsWorker: boolean;
}

// What another has locked for a moment is left alone: it looks at the run next, or ends it. So is what another has changed.
const ADMIT = `
  WITH chosen AS MATERIALIZED (
    SELECT r.id, f.name AS function_name, ${TRAFFIC} AS traffic, coalesce(s.permits, r.permits) AS permits,
      s.permits IS NOT NULL AS is_new, true AS is_free
    FROM json_to_recordset($2::json) AS s(id uuid, keys text[], standing text, permits text[])
      JOIN task_runs_open r ON r.id = s.id LEFT JOIN functions f ON f.id = r.function_id
    WHERE ${isAsSeen("s")} AND ${isDue()} AND ${SUITS} FOR UPDATE OF r SKIP LOCKED
  ), full_up AS MATERIALIZED (
    SELECT r.id, s.key FROM json_to_recordset($3::json) AS s(id uuid, keys text[], standing text, key text)
      JOIN task_runs_open r ON r.id = s.id
    WHERE ${isAsSeen("s")} FOR UPDATE OF r SKIP LOCKED
  ), held AS (
    UPDATE task_runs_open r SET waiting_for = 'concurrency', waiting_key = h.key, permits = NULL, room = 'awaited'
    FROM full_up h WHERE r.id = h.id
  ), counted AS (
    UPDATE run_limits l SET permits_held = l.permits_held + n.taken, ${useRate("n.taken")}, has_waiting = l.has_waiting OR n.waits
    FROM (
      SELECT key, count(*) FILTER (WHERE NOT waits)::int AS taken, bool_or(waits) AS waits FROM (
        SELECT p.key, false AS waits FROM chosen, unnest(permits) AS p(key) WHERE is_new
        UNION ALL SELECT key, true FROM full_up
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
  return await inTransaction(store.pool, async (tx) => {
    const free = toFree(await lockLimits(tx, keys));
    const look = toLookText([...free.keys()], free, asked.length);
    const { rows } = await tx.pool.query<LineRow>({
      name: "look-at-line",
      text: LOOK,
      values: [asked.map(({ id }) => id), look, asked.length, claimer.longestMs],
    });
    return await admit(tx, claimer, asked.length, free, rows, new Set(keys));
  });
}

async function admit(
  tx: Transaction,
  { workerId, longestMs }: Claimer,
  slots: number,
  free: ReadonlyMap<string, number>,
  rows: LineRow[],
  locked: Set<string>,
): Promise<ClaimedRun[]> {
  const { start, startGranted, hold } = decideStarts({
    slots,
    free,
    granted: rows.filter(({ standing }) => standing === "granted").map(({ id }) => id),
    line: rows
      // One that needs a key whose lock is not held is left to who grants it.
      .filter(({ standing, keys }) => standing !== "granted" && keys.every((key) => locked.has(key))),
  });
  const seen = new Map(rows.map(({ id, keys, standing }) => [id, { id, keys, standing }]));
  const started = [
    ...start.map(({ id, keys }) => ({ ...seen.get(id), permits: keys.filter((key) => free.has(key)) })),
    ...startGranted.map((id) => ({ ...seen.get(id), permits: null })),
  ];
  const held = hold.map(({ id, key }) => ({ ...seen.get(id), key }));
  const values = [workerId, JSON.stringify(started), JSON.stringify(held), longestMs];
  const { rows: claimed } = await tx.pool.query<ClaimRow>({ name: "admit-runs", text: ADMIT, values });
  return claimed.map(toClaimedRun);
}

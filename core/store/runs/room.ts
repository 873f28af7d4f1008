/**
 * Functions with a limit of runs at once. States of a queued run, in its column `room`: null → awaited (the function was
 * full; no claim looks at it) → offered (there was room; claimed like any other, before those that are new). Starting
 * takes it back to null.
 *
 * Whoever starts such runs or offers room first takes the function's advisory lock, then looks: what is counted under it
 * cannot grow meanwhile, and who waits is seen by the one who makes room after.
 */
import type pg from "pg";
import { decideAdmission } from "../../domain/admission.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { unindexed } from "../unindexed.ts";
import { type ClaimedRun, type ClaimRow, DESCRIBED, TAKEN, TRAFFIC, toClaimedRun } from "./claimed-run.ts";
import type { StagedRun } from "./staged-run.ts";

/** Sorted, so that two who lock several wait for each other in one direction only. */
const LOCK = {
  name: "lock-room",
  text: `SELECT pg_advisory_xact_lock(key) FROM (
      SELECT DISTINCT hashtextextended(id::text, 0) AS key FROM unnest($1::uuid[]) AS id ORDER BY key
    ) AS keys`,
};

/** How many runs of the function `f` are under way. */
export const RUNNING = `(SELECT count(*)::int FROM task_runs_open r WHERE r.function_id = f.id AND r.state = 'running')`;

/** As many as the function has room for: no others stand between a run and its start. None where it has no limit. */
const waiting = (room: "offered" | "awaited") => `ARRAY(
      SELECT r.id FROM task_runs_open r WHERE r.function_id = f.id AND r.room = '${room}'
      ORDER BY r.available_at, r.id LIMIT greatest(0, f.max_running - f.running))`;

const LOOK = `
  WITH f AS MATERIALIZED (
    SELECT f.id, (v.limits ->> 'concurrency')::int AS max_running, ${RUNNING} AS running
    FROM functions f LEFT JOIN function_revisions v ON v.id = f.active_revision_id WHERE f.id = ANY($1::uuid[])
  )
  SELECT id AS "functionId", max_running AS "limit", running,
    ${waiting("offered")} AS offered, ${waiting("awaited")} AS awaited
  FROM f`;

// What another has locked for a moment is left alone: it looks at the run next, or ends it.
const ADMIT = `
  WITH chosen AS MATERIALIZED (
    SELECT r.id, f.name AS function_name, ${TRAFFIC} AS traffic, s.holds_room, true AS is_free
    FROM unnest($2::uuid[], $3::boolean[]) AS s(id, holds_room)
      JOIN task_runs_open r ON r.id = s.id JOIN functions f ON f.id = r.function_id
    WHERE ${unindexed("r.state")} = 'queued' FOR UPDATE OF r SKIP LOCKED
  ), full_up AS MATERIALIZED (
    SELECT id FROM task_runs_open WHERE id = ANY($4::uuid[]) AND ${unindexed("state")} = 'queued'
    FOR UPDATE SKIP LOCKED
  ), held AS (
    UPDATE task_runs_open r SET room = 'awaited' FROM full_up h WHERE r.id = h.id
  ), ${TAKEN} ${DESCRIBED}`;

/** What is counted of these functions cannot grow until the transaction ends. */
export async function lockRoom(client: pg.PoolClient, functionIds: string[]): Promise<void> {
  await client.query({ ...LOCK, values: [functionIds] });
}

interface FunctionRow {
  functionId: string;
  limit: number | null;
  running: number;
  offered: string[];
  awaited: string[];
}

/**
 * queued → running for as many of `asked` (oldest first) as their functions have room for; the others wait. Runs that
 * waited longer start in their place.
 */
export async function admitRuns(
  store: Store,
  workerId: string,
  asked: { id: string; functionId: string }[],
): Promise<ClaimedRun[]> {
  const byFunction = Map.groupBy(asked, ({ functionId }) => functionId);
  const functionIds = [...byFunction.keys()];
  return await inTransaction(store.pool, async ({ pool: client }) => {
    await lockRoom(client, functionIds);
    const { rows } = await client.query<FunctionRow>({
      name: "look-for-room",
      text: LOOK,
      values: [functionIds],
    });
    const decided = rows.map((row) => {
      const ids = byFunction.get(row.functionId)!.map(({ id }) => id);
      return { row, ...decideAdmission({ ...row, asked: ids }) };
    });
    return await admit(client, workerId, decided);
  });
}

async function admit(
  client: pg.PoolClient,
  workerId: string,
  decided: { row: FunctionRow; start: string[]; hold: string[] }[],
): Promise<ClaimedRun[]> {
  const started = decided.flatMap(({ row, start }) => start.map((id) => ({ id, row })));
  const values = [
    workerId,
    started.map(({ id }) => id),
    started.map(({ row }) => row.limit !== null),
    decided.flatMap(({ hold }) => hold),
  ];
  const { rows } = await client.query<ClaimRow>({ name: "admit-runs", text: ADMIT, values });
  return rows.map(toClaimedRun);
}

/** The most runs of one function that one call offers room to. */
export const OFFER_BATCH = 500;

const OFFER = `
  WITH queue AS MATERIALIZED (
    SELECT f.id, least($2::int, greatest(0, coalesce((v.limits ->> 'concurrency')::int - ${RUNNING}
      - (SELECT count(*)::int FROM task_runs_open r WHERE r.function_id = f.id AND r.room = 'offered'), $2::int))) AS room
    FROM functions f LEFT JOIN function_revisions v ON v.id = f.active_revision_id WHERE f.id = ANY($1::uuid[])
  ), next AS MATERIALIZED (
    SELECT w.id FROM queue q CROSS JOIN LATERAL (
      SELECT r.id FROM task_runs_open r WHERE r.function_id = q.id AND r.room = 'awaited'
      ORDER BY r.available_at, r.id LIMIT q.room FOR UPDATE SKIP LOCKED) AS w
  )
  UPDATE task_runs_open r SET room = 'offered' FROM next n WHERE r.id = n.id
  RETURNING r.id AS "runId", r.available_at AS "availableAt"`;

/**
 * awaited → offered for as many runs as each of the functions has room for, oldest first: to be called, and what it
 * returns rung, after runs of them ended or their limits changed.
 */
export async function offerRoom(store: Store, functionIds: string[]): Promise<StagedRun[]> {
  return await inTransaction(store.pool, async ({ pool: client }) => {
    await lockRoom(client, functionIds);
    const { rows } = await client.query<StagedRun>({
      name: "offer-room",
      text: OFFER,
      values: [functionIds, OFFER_BATCH],
    });
    return rows;
  });
}

/** Functions that runs wait for: from one to the next in the index, however many wait for each. */
export async function findAwaitedFunctions(store: Store, limit: number): Promise<string[]> {
  const { rows } = await store.pool.query<{ id: string }>(
    `WITH RECURSIVE f AS (
       (SELECT function_id AS id FROM task_runs_open WHERE room IS NOT NULL ORDER BY function_id LIMIT 1)
       UNION ALL
       SELECT (SELECT r.function_id FROM task_runs_open r WHERE r.room IS NOT NULL AND r.function_id > f.id
         ORDER BY r.function_id LIMIT 1)
       FROM f WHERE f.id IS NOT NULL
     ) SELECT id FROM f WHERE id IS NOT NULL LIMIT $1`,
    [limit],
  );
  return rows.map(({ id }) => id);
}

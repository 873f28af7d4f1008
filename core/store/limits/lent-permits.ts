/**
 * Where a limit is far from reached a worker takes permits in advance, a row of `lent_permits`, all of which count as held.
 * As long as that stands, the worker's runs of the key start and end like runs without a limit: they have no permit of
 * their own, and nobody writes the limit's row for them. The worker never has more of them than it was lent (lendings.ts).
 *
 * States: none → lent → called back, and the worker is lent others when it meets the limit again. A claim starts runs by
 * lent permits only where the limit is as it was when they were lent, and holds their row until its commit. So a change
 * holds from its commit on for whoever claims later, and who calls permits back waits for the claims before, and then sees
 * what they started: such runs get a permit each. They are called back by whoever finds too few permits left, before the
 * change of a limit is answered, and by the scheduler where the worker is gone or has forgotten them.
 *
 * Order of locks: queued runs, lent permits, runs under way, limits. Nobody who has the lock of a limit waits for lent ones.
 */
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { IS_LENDABLE, isRoomy, PLENTY, SOME_KEYS } from "./permits.ts";

export interface LentPermits {
  /** What a claim names them by: what is lent anew is another's. */
  id: string;
  key: string;
  count: number;
}

export interface LendingTerms {
  /** Of a limit, the share that one worker is lent: one in so many. */
  share: number;
  least: number;
  most: number;
  /** So many are left for others, or half of the limit where that is more. */
  leaves: number;
}

/** The least is as much as a worker of the usual size needs, with what it has ended and not recorded yet. */
const TERMS: LendingTerms = { share: 16, least: 64, most: 1_024, leaves: PLENTY };

/** Of a run `r` that is under way the keys of some limits, of which it has no permit. */
const lacks = (key: string) => `${key} = ANY(${SOME_KEYS}) AND NOT ${key} = ANY(coalesce(r.permits, '{}'))`;

const ASK = {
  name: "ask-to-be-lent",
  text: `INSERT INTO lent_permits (key, worker_id, concurrency, count)
    SELECT l.key, $1, l.concurrency, least(greatest(l.concurrency / $3::int, $4::int), $5::int) FROM run_limits l
    WHERE l.key = ANY($2::text[]) AND l.concurrency IS NOT NULL AND ${IS_LENDABLE}
    ON CONFLICT DO NOTHING RETURNING id, key, count`,
};

const LOCK_LIMITS = {
  name: "lock-limits-that-lend",
  text: "SELECT FROM run_limits WHERE key = ANY($1::text[]) ORDER BY key FOR UPDATE",
};

// A run of the worker that has no permit yet would count as one of those that it starts by what it is lent.
const LEND = {
  name: "lend-permits",
  text: `UPDATE run_limits l SET permits_held = l.permits_held + p.count FROM lent_permits p
    WHERE p.id = ANY($1::uuid[]) AND l.key = p.key AND l.concurrency = p.concurrency AND ${IS_LENDABLE}
      AND ${isRoomy("l.permits_held + p.count", "$2::int")}
      AND NOT EXISTS (SELECT FROM task_runs_open r WHERE r.worker_id = p.worker_id AND r.state = 'running' AND ${lacks("l.key")})
      AND NOT EXISTS (SELECT FROM task_runs_open r WHERE r.worker_id = p.worker_id AND r.state = 'deferred' AND ${lacks("l.key")})
    RETURNING p.id`,
};

const REFUSE = { name: "refuse-to-lend", text: "DELETE FROM lent_permits WHERE id = ANY($1::uuid[])" };

/** Those of the keys of which the worker has permits in advance from now on; what it had of them is called back. */
export async function lendPermits(
  store: Store,
  workerId: string,
  keys: string[],
  { share, least, most, leaves }: LendingTerms = TERMS,
): Promise<LentPermits[]> {
  await callBackPermits(store, keys, workerId);
  return await inTransaction(store.pool, async ({ pool }) => {
    const { rows: asked } = await pool.query<LentPermits>({
      ...ASK,
      values: [workerId, keys, share, least, most],
    });
    if (asked.length === 0) return [];
    await pool.query({ ...LOCK_LIMITS, values: [asked.map(({ key }) => key)] });
    const { rows } = await pool.query<{ id: string }>({
      ...LEND,
      values: [asked.map(({ id }) => id), leaves],
    });
    const isLent = new Set(rows.map(({ id }) => id));
    const refused = asked.filter(({ id }) => !isLent.has(id));
    if (refused.length > 0) await pool.query({ ...REFUSE, values: [refused.map(({ id }) => id)] });
    return asked.filter(({ id }) => isLent.has(id));
  });
}

interface CalledBack {
  key: string;
  workerId: string;
  count: number;
}

const CALL_BACK = {
  name: "call-back-permits",
  text: `
    WITH called AS MATERIALIZED (
      SELECT id FROM lent_permits WHERE key = ANY($1::text[]) AND ($2::uuid IS NULL OR worker_id = $2)
      ORDER BY key, worker_id FOR UPDATE
    )
    DELETE FROM lent_permits p USING called c WHERE p.id = c.id RETURNING p.key, p.worker_id AS "workerId", p.count`,
};

// By the state's own index. Whoever ends such a run at this moment is waited for.
const lockStarted = (state: "running" | "deferred") => ({
  name: `lock-runs-by-lent-${state}`,
  text: `
    SELECT r.id, ARRAY(
        SELECT c.key FROM json_to_recordset($1::json) AS c(key text, "workerId" uuid)
        WHERE c."workerId" = r.worker_id AND ${lacks("c.key")}) AS keys
    FROM task_runs_open r WHERE r.state = '${state}' AND r.worker_id = ANY($2::uuid[])
      AND EXISTS (SELECT FROM unnest($3::text[]) AS k(key) WHERE ${lacks("k.key")})
    ORDER BY r.id FOR UPDATE OF r`,
});
/** In this order: a run may be deferred meanwhile, and does not come back from there. */
const LOCK_STARTED = [lockStarted("running"), lockStarted("deferred")];

const ADOPT = {
  name: "adopt-runs-by-lent",
  text: `UPDATE task_runs_open r SET permits = coalesce(r.permits, '{}') || a.keys
    FROM json_to_recordset($1::json) AS a(id uuid, keys text[]) WHERE r.id = a.id`,
};

// A limit that is new is counted by whoever made it.
const COUNT_OFF = {
  name: "count-off-lent",
  text: `UPDATE run_limits l SET permits_held = greatest(l.permits_held - c.count, 0)
    FROM json_to_recordset($1::json) AS c(key text, count int)
    WHERE l.key = c.key AND coalesce(l.uncounted_until <= clock_timestamp(), true)`,
};

/**
 * What was lent of these keys, to the worker or to all: nobody starts anything by it any more, and what was started has a
 * permit of its own. To be called by who has no lock of a limit or of a run.
 */
export async function callBackPermits(
  store: Pick<Store, "pool">,
  keys: string[],
  workerId: string | null = null,
): Promise<void> {
  await inTransaction(store.pool, async (tx) => {
    const { rows: called } = await tx.pool.query<CalledBack>({ ...CALL_BACK, values: [keys, workerId] });
    if (called.length > 0) await settle(tx, called);
  });
}

async function settle({ pool }: Transaction, called: CalledBack[]): Promise<void> {
  const workers = [...new Set(called.map(({ workerId }) => workerId))];
  const keys = [...new Set(called.map(({ key }) => key))];
  const started: { id: string; keys: string[] }[] = [];
  for (const lock of LOCK_STARTED) {
    const values = [toJsonText(called), workers, keys];
    const { rows } = await pool.query<{ id: string; keys: string[] }>({ ...lock, values });
    started.push(...rows.filter(({ keys }) => keys.length > 0));
  }
  await pool.query({ ...LOCK_LIMITS, values: [keys] });
  const spare = new Map<string, number>();
  const add = (key: string, count: number) => spare.set(key, (spare.get(key) ?? 0) + count);
  for (const { key, count } of called) add(key, count);
  for (const run of started) for (const key of run.keys) add(key, -1);
  if (started.length > 0) await pool.query({ ...ADOPT, values: [toJsonText(started)] });
  const counts = Array.from(spare, ([key, count]) => ({ key, count }));
  await pool.query({ ...COUNT_OFF, values: [toJsonText(counts)] });
}

/** A worker that is still at it has been lent others by then. */
const UNUSED_AFTER = "interval '2 minutes'";

const FIND_UNUSED = {
  name: "find-unused-permits",
  text: `SELECT DISTINCT key FROM lent_permits p
    WHERE lent_at < clock_timestamp() - ${UNUSED_AFTER} OR NOT EXISTS (SELECT FROM workers w WHERE w.id = p.worker_id)
    LIMIT $1`,
};

/** Those of workers that are gone, or that seem to have forgotten them, of up to `limit` keys; of how many. */
export async function callBackUnused(store: Store, limit: number): Promise<number> {
  const { rows } = await store.pool.query<{ key: string }>({ ...FIND_UNUSED, values: [limit] });
  for (const { key } of rows) await callBackPermits(store, [key]);
  return rows.length;
}

/** Queues: named sets of a namespace's runs. `default` is there without a row, until somebody gives it limits. */

import { DEFAULT_QUEUE, queueKey } from "../../domain/limit-keys.ts";
import { NO_LIMITS, type PausedUntil, type QueueLimits } from "../../domain/queue.ts";
import { conflict } from "../../errors.ts";
import type { QueryScope, Store } from "../database.ts";
import { createGatherer } from "../gather.ts";
import { toJsonText } from "../json-text.ts";
import { countNewLimit } from "../limits/count-new-limit.ts";
import { lineUpRuns } from "../limits/line-up.ts";
import { type QueueRow, saveQueueLimit, saveQueuePause } from "../limits/queue-limits.ts";
import { revokePermits } from "../limits/revoke-permits.ts";
import { IS_OVER } from "../tasks/keys.ts";
import { inTransaction, type Transaction } from "../transaction.ts";

/** Of one namespace. */
export const MAX_QUEUES = 1_000;

export interface Queue {
  name: string;
  limits: QueueLimits;
  pausedUntil: PausedUntil;
}

/** What a queue becomes; what is left out stays as it is under the queue's lock. */
export interface QueueChange {
  limits?: QueueLimits;
  pausedUntil?: PausedUntil | ((standing: PausedUntil) => PausedUntil) | undefined;
}

/** What is committed of a change, and has to be settled. */
export interface SavedQueue {
  queue: Queue;
  isNew: boolean;
  namespaceId: string;
  /** It has a limit that claims under way do not know of. */
  isUncounted: boolean;
}

export interface ChangedQueue extends Pick<SavedQueue, "queue" | "isNew"> {
  /** The limit keys whose permits can be granted to runs that wait. */
  freedKeys: string[];
}

// A pause that has passed is none.
const COLUMNS = `q.name, q.limits, CASE WHEN q.paused_until > clock_timestamp() THEN q.paused_until END AS "pausedUntil"`;

const toQueue = ({ name, limits, pausedUntil }: Queue): Queue => ({
  ...{ name, pausedUntil, limits: { ...NO_LIMITS, ...limits } },
});

/** In the order of their names; `default` is always among them. */
export async function listQueues({ pool }: QueryScope, namespaceId: string): Promise<Queue[]> {
  const { rows } = await pool.query<Queue>(
    `SELECT ${COLUMNS} FROM queues q WHERE q.namespace_id = $1 ORDER BY q.name`,
    [namespaceId],
  );
  const queues = rows.map(toQueue);
  if (queues.some(({ name }) => name === DEFAULT_QUEUE)) return queues;
  const byDefault = { name: DEFAULT_QUEUE, limits: NO_LIMITS, pausedUntil: null };
  return [...queues, byDefault].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Undefined: there is none. */
export async function findQueue(
  { pool }: QueryScope,
  namespaceId: string,
  name: string,
): Promise<Queue | undefined> {
  const { rows } = await pool.query<Queue>({
    name: "find-queue",
    text: `SELECT ${COLUMNS} FROM queues q WHERE q.namespace_id = $1 AND q.name = $2`,
    values: [namespaceId, name],
  });
  if (rows[0]) return toQueue(rows[0]);
  return name === DEFAULT_QUEUE ? { name, limits: NO_LIMITS, pausedUntil: null } : undefined;
}

const ARE_THERE = `SELECT EXISTS (SELECT FROM queues q WHERE q.namespace_id = a.namespace_id AND q.name = a.name) AS "isThere"
  FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS a(namespace_id, name, place) ORDER BY a.place`;

const areThere = createGatherer<{ namespaceId: string; name: string }, boolean>({
  ...{ atOnce: 1, most: 100, mostWeight: 100 },
  weigh: () => 1,
  async askAll({ pool }, asks) {
    const values = [asks.map(({ namespaceId }) => namespaceId), asks.map(({ name }) => name)];
    const { rows } = await pool.query<{ isThere: boolean }>({
      name: "are-queues-there",
      text: ARE_THERE,
      values,
    });
    return rows.map(({ isThere }) => isThere);
  },
});

/** Whether tasks and calls may name it. Who asks at the same moment is answered by one statement. */
export async function isQueueThere(scope: QueryScope, namespaceId: string, name: string): Promise<boolean> {
  return name === DEFAULT_QUEUE || (await areThere(scope, { namespaceId, name }));
}

/** Makes or changes it. The next claim obeys. */
export async function putQueue(
  store: Store,
  namespaceId: string,
  name: string,
  change: QueueChange & { limits: QueueLimits },
): Promise<ChangedQueue> {
  return (await changeQueue(store, namespaceId, name, change))!;
}

async function changeQueue(
  ...given: [store: Store, namespaceId: string, name: string, change: QueueChange]
): Promise<ChangedQueue | undefined> {
  const saved = await saveQueue(...given);
  if (!saved) return;
  const { queue, isNew } = saved;
  return { queue, isNew, freedKeys: await settleQueue(given[0], saved) };
}

/** Makes or changes it; what follows, `settleQueue` does. Undefined: there is none, and no limits to make it with. */
export async function saveQueue(
  store: Pick<Store, "pool">,
  namespaceId: string,
  name: string,
  change: QueueChange,
): Promise<SavedQueue | undefined> {
  const changed = await inTransaction(store.pool, async (tx) => {
    // One change at a time of a queue that is not there yet, too; and none while they are counted.
    await tx.pool.query("SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE", [namespaceId]);
    const standing = await lockQueue(tx, namespaceId, name);
    const limits = change.limits ?? standing?.limits ?? (name === DEFAULT_QUEUE ? NO_LIMITS : undefined);
    if (!limits) return;
    if (!standing && name !== DEFAULT_QUEUE) await demandPlace(tx, namespaceId);
    const pausedUntil = choosePausedUntil(standing?.pausedUntil ?? null, change.pausedUntil);
    const row: QueueRow = { namespaceId, name, limits, pausedUntil };
    await tx.pool.query(
      `INSERT INTO queues (namespace_id, name, limits, paused_until) VALUES ($1, $2, $3, $4)
       ON CONFLICT (namespace_id, name) DO UPDATE
         SET limits = excluded.limits, paused_until = excluded.paused_until, updated_at = now()`,
      [namespaceId, name, toJsonText(limits), pausedUntil],
    );
    const isUncounted = await (change.limits ? saveQueueLimit : saveQueuePause)(tx.db, row);
    return { row, isNew: !standing && name !== DEFAULT_QUEUE, isUncounted };
  });
  if (!changed) return;
  const { row, isNew, isUncounted } = changed;
  return { queue: toQueue(row), isNew, namespaceId, isUncounted };
}

function choosePausedUntil(standing: PausedUntil, change: QueueChange["pausedUntil"]): PausedUntil {
  if (change === undefined) return standing;
  return typeof change === "function" ? change(standing) : change;
}

/** To be called once the change is committed; the limit keys whose permits can be granted to runs that wait. */
export async function settleQueue(
  store: Store,
  { queue, namespaceId, isUncounted }: SavedQueue,
): Promise<string[]> {
  const key = queueKey(namespaceId, queue.name);
  if (isUncounted) await countNewLimit(store, key);
  const freedKeys = await revokePermits(store, key);
  // The end of a pause does it.
  if (queue.pausedUntil === null) await lineUpRuns(store, namespaceId, key);
  return freedKeys;
}

/** Pauses it until then, or resumes it. Undefined: there is none. */
export async function pauseQueue(
  store: Store,
  namespaceId: string,
  name: string,
  pausedUntil: PausedUntil,
): Promise<ChangedQueue | undefined> {
  return await changeQueue(store, namespaceId, name, { pausedUntil });
}

/** False: there is none. 409 where something names it. */
export async function removeQueue(store: Store, namespaceId: string, name: string): Promise<boolean> {
  if (name === DEFAULT_QUEUE)
    throw conflict(
      "The queue default cannot be deleted: everything that names no queue belongs to it.",
      "queue_in_use",
    );
  return await inTransaction(store.pool, async (tx) => {
    if (!(await lockQueue(tx, namespaceId, name))) return false;
    const { rows } = await tx.pool.query<{ user: string | null }>(FIND_USER, [namespaceId, name]);
    const { user } = rows[0]!;
    if (user !== null) throw conflict(`The queue ${name} cannot be deleted: ${user}.`, "queue_in_use");
    await tx.pool.query("DELETE FROM queues WHERE namespace_id = $1 AND name = $2", [namespaceId, name]);
    await saveQueueLimit(tx.db, { namespaceId, name, limits: NO_LIMITS, pausedUntil: null });
    return true;
  });
}

const FIND_USER = `
  SELECT coalesce(
    (SELECT 'the task ' || t.id || ' names it' FROM tasks t
      WHERE t.namespace_id = $1 AND t.queue = $2 AND NOT ${IS_OVER} LIMIT 1),
    (SELECT 'the hook ' || h.id || ' of the function ' || f.name || ' names it'
      FROM functions f JOIN function_hooks h ON h.function_id = f.id
      WHERE f.namespace_id = $1 AND f.removed_at IS NULL AND h.place ->> 'queue' = $2 LIMIT 1),
    (SELECT CASE r.state WHEN 'dead' THEN 'the dead letter ' || r.id || ' is in it: redrive or discard it' ELSE 'the run ' || r.id || ' is in it' END
      FROM task_runs_open r WHERE r.namespace_id = $1 AND r.queue = $2 ORDER BY r.state = 'dead' LIMIT 1)
  ) AS user`;

export async function lockQueue(
  { pool }: Transaction,
  namespaceId: string,
  name: string,
): Promise<Queue | undefined> {
  const { rows } = await pool.query<Queue>(
    `SELECT ${COLUMNS} FROM queues q WHERE q.namespace_id = $1 AND q.name = $2 FOR UPDATE`,
    [namespaceId, name],
  );
  return rows[0] && toQueue(rows[0]);
}

async function demandPlace({ pool }: Transaction, namespaceId: string): Promise<void> {
  const { rows } = await pool.query<{ count: number }>(
    "SELECT count(*)::int AS count FROM queues WHERE namespace_id = $1 AND name <> $2",
    [namespaceId, DEFAULT_QUEUE],
  );
  if (rows[0]!.count >= MAX_QUEUES)
    throw conflict(`A namespace has at most ${MAX_QUEUES} queues.`, "too_many_queues");
}

const HAS_PASSED = "paused_until < 'infinity' AND paused_until <= clock_timestamp()";

/** Queues whose pause has passed, up to `limit`, have none any more; their keys, whose runs may be granted permits. */
export async function endPauses(store: Store, limit: number): Promise<string[]> {
  const { rows } = await store.pool.query<{ namespaceId: string; name: string }>(
    `SELECT namespace_id AS "namespaceId", name FROM queues WHERE ${HAS_PASSED} ORDER BY paused_until LIMIT $1`,
    [limit],
  );
  const keys: string[] = [];
  for (const { namespaceId, name } of rows) {
    if (!(await endPause(store, namespaceId, name))) continue;
    const key = queueKey(namespaceId, name);
    await lineUpRuns(store, namespaceId, key);
    keys.push(key);
  }
  return keys;
}

/** Until the next pause ends by itself, by the database's clock; null: none does. */
export async function msUntilPauseEnds({ pool }: QueryScope): Promise<number | null> {
  const { rows } = await pool.query<{ ms: number | null }>({
    name: "until-pause-ends",
    text: `SELECT ceil(extract(epoch FROM min(paused_until) - clock_timestamp()) * 1000)::float8 AS ms FROM queues
      WHERE paused_until < 'infinity'`,
  });
  return rows[0]!.ms;
}

/** A transaction of its own: who ends runs locks the limits of several queues in another order. */
async function endPause(store: Store, namespaceId: string, name: string): Promise<boolean> {
  return await inTransaction(store.pool, async ({ pool, db }) => {
    const { rows } = await pool.query<QueueRow>(
      `UPDATE queues SET paused_until = NULL WHERE namespace_id = $1 AND name = $2 AND ${HAS_PASSED}
       RETURNING namespace_id AS "namespaceId", name, limits, paused_until AS "pausedUntil"`,
      [namespaceId, name],
    );
    for (const row of rows) await saveQueuePause(db, { ...row, limits: { ...NO_LIMITS, ...row.limits } });
    return rows.length > 0;
  });
}

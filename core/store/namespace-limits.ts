/** Limits of namespaces: set, and counted where one is set. Who has none pays nothing. */
import type { UsedCount } from "../contracts/namespace-limits.ts";
import { type CountedLimit, type NamespaceLimits, runsAtOnceFromNow } from "../domain/namespace-limits.ts";
import { BellhopError } from "../errors.ts";
import type { QueryScope, Store } from "./database.ts";
import { toJsonText } from "./json-text.ts";
import {
  findConcurrency,
  type SavedConcurrency,
  saveNamespaceConcurrency,
} from "./limits/namespace-concurrency.ts";
import { findNamespace, namespaceClosed } from "./namespaces.ts";
import { inTransaction } from "./transaction.ts";
import { countKnownSlots } from "./workers.ts";

/**
 * What follows, `settleNamespaceConcurrency` does. Undefined: there is no such namespace. 409 where it is being deleted.
 */
export async function saveNamespaceLimits(
  store: Pick<Store, "pool">,
  name: string,
  limits: NamespaceLimits,
): Promise<SavedConcurrency | undefined> {
  const isSet = Object.values(limits).some((limit) => limit !== null);
  return await inTransaction(store.pool, async (tx) => {
    const { rows } = await tx.pool.query<{ id: string; slotsShare: number | null }>(
      `SELECT id, (limits ->> 'slotsShare')::int AS "slotsShare" FROM namespaces
       WHERE name = $1 AND closed_at IS NULL FOR NO KEY UPDATE`,
      [name],
    );
    const [found] = rows;
    if (!found) {
      if (await findNamespace(tx, name)) throw namespaceClosed(name);
      return undefined;
    }
    const { id, slotsShare } = found;
    await tx.pool.query("UPDATE namespaces SET limits = $2 WHERE id = $1", [
      id,
      isSet ? toJsonText(limits) : null,
    ]);
    const runs = await findConcurrency(tx, id);
    const runsFromNow = runsAtOnceFromNow(limits, { slotsShare, runs }, await countKnownSlots(tx));
    return await saveNamespaceConcurrency(tx.db, id, runsFromNow);
  });
}

/**
 * $1 is the namespace. At $2 things at most it looks, of each state: whoever is at a limit has no more, and a revision has
 * more bytes than one.
 */
const COUNTS: Record<CountedLimit, string> = {
  tasks: `SELECT count(*) AS used, count(*) AS looked FROM (
    (SELECT FROM tasks WHERE namespace_id = $1 AND state = 'active' LIMIT $2)
    UNION ALL (SELECT FROM tasks WHERE namespace_id = $1 AND state = 'paused' LIMIT $2)) AS t`,
  functions: `SELECT count(*) AS used, count(*) AS looked FROM (
    SELECT FROM functions WHERE namespace_id = $1 AND removed_at IS NULL LIMIT $2) AS f`,
  codeBytes: `SELECT coalesce(sum(bytes), 0) AS used, count(*) AS looked FROM (
    SELECT pg_column_size(r.files) + pg_column_size(r.code) + pg_column_size(r.source_map) AS bytes
    FROM functions f JOIN function_revisions r ON r.function_id = f.id
    WHERE f.namespace_id = $1 AND f.removed_at IS NULL LIMIT $2) AS r`,
};

const WHAT: Record<CountedLimit, { one: string; many: string }> = {
  tasks: { one: "task that may still fire", many: "tasks that may still fire" },
  functions: { one: "function", many: "functions" },
  codeBytes: { one: "byte of revisions", many: "bytes of revisions" },
};

/** Revisions of a function stay as long as that does. */
const REMEDY: Record<CountedLimit, string> = {
  tasks: "remove some",
  functions: "remove some",
  codeBytes: "remove a function",
};

/** How much there is; no further than `most` things are looked at. */
export async function countUsed(
  { pool }: QueryScope,
  namespaceId: string,
  name: CountedLimit,
  most: number,
): Promise<UsedCount> {
  const { rows } = await pool.query<{ used: string; looked: string }>(COUNTS[name], [namespaceId, most + 1]);
  const [used, looked] = [Number(rows[0]!.used), Number(rows[0]!.looked)];
  if (looked <= most) return { used, isExact: true };
  return { used: name === "codeBytes" ? used : most, isExact: false };
}

/** How many more there may be; undefined: as many as anybody likes. */
export async function findRoom(
  scope: QueryScope,
  namespaceId: string,
  limits: NamespaceLimits | null,
  name: CountedLimit,
): Promise<number | undefined> {
  const limit = limits?.[name] ?? null;
  if (limit === null) return undefined;
  const { used, isExact } = await countUsed(scope, namespaceId, name, limit);
  return isExact ? limit - used : -1;
}

/** 409 where there is no room for `more`; with 0, once it was made and may be taken back. */
export async function demandRoom(
  scope: QueryScope,
  namespaceId: string,
  limits: NamespaceLimits | null,
  name: CountedLimit,
  more: number,
): Promise<void> {
  const room = await findRoom(scope, namespaceId, limits, name);
  if (room !== undefined && room < more) throw limitExceeded(name, limits![name]!);
}

/** It does not reset: something has to be removed, or an operator has to raise it. */
export function limitExceeded(name: CountedLimit, limit: number): BellhopError {
  const what = WHAT[name][limit === 1 ? "one" : "many"];
  const message = `the namespace may have ${limit.toLocaleString("en-US")} ${what}: ${REMEDY[name]}, or ask an operator for more`;
  return new BellhopError("limit_exceeded", 409, `${name}: ${message}.`, [{ field: name, message }]);
}

/**
 * Shares of slots: a namespace's limit of runs at once (namespace-concurrency.ts) follows the slots that workers have, looked
 * at by the scheduler. Of namespaces without a share nothing is looked at.
 */
import { namespaceKey } from "../../domain/limit-keys.ts";
import { type NamespaceLimits, runsAtOnce } from "../../domain/namespace-limits.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { countSlots } from "../workers.ts";
import {
  type SavedConcurrency,
  saveNamespaceConcurrency,
  settleNamespaceConcurrency,
} from "./namespace-concurrency.ts";

type ShareLimits = Pick<NamespaceLimits, "concurrentRuns" | "slotsShare">;

const SHARE = `CASE WHEN n.limits ->> 'slotsShare' IS NOT NULL THEN json_build_object(
  'concurrentRuns', n.limits -> 'concurrentRuns', 'slotsShare', n.limits -> 'slotsShare') END`;

const FIND = {
  name: "find-slots-shares",
  text: `SELECT n.id, ${SHARE} AS limits, l.concurrency FROM namespaces n
    LEFT JOIN run_limits l ON l.key = '${namespaceKey("")}' || n.id
    WHERE n.limits ->> 'slotsShare' IS NOT NULL AND n.closed_at IS NULL`,
};

/** The keys whose permits can be granted to runs that wait, where the slots have become others. */
export async function followSlots(store: Store): Promise<string[]> {
  const { rows } = await store.pool.query<{ id: string; limits: ShareLimits; concurrency: number | null }>(
    FIND,
  );
  if (rows.length === 0) return [];
  const slots = await countSlots(store);
  const keys: string[] = [];
  for (const { id, limits, concurrency } of rows) {
    if (runsAtOnce(limits, slots) === concurrency) continue;
    const saved = await follow(store, id, slots);
    if (saved) keys.push(...(await settleNamespaceConcurrency(store, saved)));
  }
  return keys;
}

/** Under the lock of the namespace's row: an operator may change its limits at the same moment. */
async function follow(store: Store, id: string, slots: number): Promise<SavedConcurrency | undefined> {
  return await inTransaction(store.pool, async ({ pool, db }) => {
    const { rows } = await pool.query<{ limits: ShareLimits | null }>(
      `SELECT ${SHARE} AS limits FROM namespaces n WHERE id = $1 FOR NO KEY UPDATE`,
      [id],
    );
    const limits = rows[0]?.limits;
    return limits ? await saveNamespaceConcurrency(db, id, runsAtOnce(limits, slots)) : undefined;
  });
}

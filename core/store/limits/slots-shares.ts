/**
 * Shares of slots: a namespace's limit of runs at once (namespace-concurrency.ts) follows the slots that workers have, looked
 * at by the scheduler. Of namespaces without a share nothing is looked at.
 */
import { namespaceKey } from "../../domain/limit-keys.ts";
import { type NamespaceLimits, runsAtOnce } from "../../domain/namespace-limits.ts";
import { askServer, type LeaseJudge } from "../contact.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { countSlots } from "../workers.ts";
import { saveNamespaceConcurrency, settleNamespaceConcurrency } from "./namespace-concurrency.ts";

type ShareLimits = Pick<NamespaceLimits, "concurrentRuns" | "slotsShare">;

const SHARE = `CASE WHEN n.limits ->> 'slotsShare' IS NOT NULL THEN json_build_object(
  'concurrentRuns', n.limits -> 'concurrentRuns', 'slotsShare', n.limits -> 'slotsShare') END`;

const FIND = {
  name: "find-slots-shares",
  text: `SELECT n.id, ${SHARE} AS limits, l.concurrency FROM namespaces n
    LEFT JOIN run_limits l ON l.key = '${namespaceKey("")}' || n.id
    WHERE n.limits ->> 'slotsShare' IS NOT NULL AND n.closed_at IS NULL`,
};

/**
 * Calls `settled` for each namespace that may have another number of runs now, with the keys whose permits can be granted to
 * runs that wait. While leases cannot be judged the numbers stay: after an outage those of all workers have run out, though
 * the workers live.
 */
export async function followSlots(
  store: Store,
  judge: LeaseJudge,
  settled: (keys: string[]) => Promise<unknown>,
): Promise<void> {
  const { rows } = await store.pool.query<{ id: string; limits: ShareLimits; concurrency: number | null }>(
    FIND,
  );
  if (rows.length === 0 || !judge.mayJudge(await askServer(store.leaseDb))) return;
  const slots = await countSlots(store);
  for (const { id, limits, concurrency } of rows) {
    if (runsAtOnce(limits, slots) === concurrency) continue;
    const keys = await follow(store, id, judge);
    if (keys.length > 0) await settled(keys);
  }
}

/**
 * Under the lock of the namespace's row: an operator may change its limits at the same moment. Slots are counted once it is
 * held, which may have taken a while.
 */
async function follow(store: Store, id: string, judge: LeaseJudge): Promise<string[]> {
  const saved = await inTransaction(store.pool, async (tx) => {
    const { rows } = await tx.pool.query<{ limits: ShareLimits | null; concurrency: number | null }>(
      `SELECT ${SHARE} AS limits, (SELECT l.concurrency FROM run_limits l WHERE l.key = '${namespaceKey("")}' || n.id)
       FROM namespaces n WHERE id = $1 FOR NO KEY UPDATE`,
      [id],
    );
    const { limits = null, concurrency = null } = rows[0] ?? {};
    if (!limits || !judge.mayJudge(await askServer(tx.db))) return undefined;
    const runs = runsAtOnce(limits, await countSlots(tx));
    if (runs === null || runs === concurrency) return undefined;
    const change = await saveNamespaceConcurrency(tx.db, id, runs);
    return { ...change, isRaised: concurrency !== null && runs > concurrency };
  });
  if (!saved) return [];
  // No permit is one too many: those that are out stay.
  if (saved.isRaised && !saved.isUncounted) return [namespaceKey(id)];
  return await settleNamespaceConcurrency(store, saved);
}

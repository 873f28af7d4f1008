/**
 * Shares of slots: a namespace's limit of runs at once (namespace-concurrency.ts) follows the slots that workers have, looked
 * at by the scheduler. Of namespaces without a share nothing is looked at.
 */
import { attemptAll } from "../../attempt-all.ts";
import { namespaceKey } from "../../domain/limit-keys.ts";
import { type ConcurrencyLimits, runsAtOnce } from "../../domain/namespace-limits.ts";
import { askServer, type LeaseJudge } from "../contact.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { countSlots } from "../workers.ts";
import {
  type SavedConcurrency,
  saveNamespaceConcurrency,
  settleNamespaceConcurrency,
} from "./namespace-concurrency.ts";
import { GRANTED } from "./permits.ts";

const SHARE = `CASE WHEN n.limits ->> 'slotsShare' IS NOT NULL THEN json_build_object(
  'concurrentRuns', n.limits -> 'concurrentRuns', 'slotsShare', n.limits -> 'slotsShare') END`;

/**
 * Of the limit `l`: it was lowered, and whoever did that came no further. Else no run is granted a permit that is one too
 * many; those under way stay.
 */
const IS_UNSETTLED = `CASE WHEN l.permits_held > l.concurrency
  THEN EXISTS (SELECT FROM task_runs_open r WHERE ${GRANTED} AND l.key = ANY(r.permits)) ELSE false END`;

const FIND = {
  name: "find-slots-shares",
  text: `SELECT n.id, ${SHARE} AS limits, l.concurrency, ${IS_UNSETTLED} AS "isUnsettled" FROM namespaces n
    LEFT JOIN run_limits l ON l.key = '${namespaceKey("")}' || n.id
    WHERE n.limits ->> 'slotsShare' IS NOT NULL AND n.closed_at IS NULL`,
};

interface SharingNamespace {
  id: string;
  limits: ConcurrencyLimits;
  concurrency: number | null;
  isUnsettled: boolean;
}

/**
 * Calls `settled` for each namespace that may have another number of runs now, with the keys whose permits can be granted to
 * runs that wait. While leases cannot be judged the numbers stay: after an outage those of all workers have run out, though
 * the workers live. A namespace that fails keeps no other from its turn; the first error is thrown in the end.
 */
export async function followSlots(
  store: Store,
  judge: LeaseJudge,
  settled: (keys: string[]) => Promise<unknown>,
): Promise<void> {
  const { rows } = await store.pool.query<SharingNamespace>(FIND);
  if (rows.length === 0) return;
  const slots = judge.mayJudge(await askServer(store.leaseDb)) ? await countSlots(store) : undefined;
  const following = (namespace: SharingNamespace) => async () => {
    const keys = await follow(store, namespace, slots, judge);
    if (keys.length > 0) await settled(keys);
  };
  await attemptAll(rows.map(following));
}

/** Undefined slots: they cannot be told. */
async function follow(
  store: Store,
  { id, limits, concurrency, isUnsettled }: SharingNamespace,
  slots: number | undefined,
  judge: LeaseJudge,
): Promise<string[]> {
  const isOther = slots !== undefined && runsAtOnce(limits, slots) !== concurrency;
  const saved = isOther ? await saveNumber(store, id, judge) : undefined;
  // No permit is one too many: those that are out stay.
  if (saved?.isRaised && !saved.isUncounted && !isUnsettled) return [namespaceKey(id)];
  if (!saved && !isUnsettled) return [];
  return await settleNamespaceConcurrency(store, saved ?? { namespaceId: id, isUncounted: false });
}

/**
 * Under the lock of the namespace's row: an operator may change its limits at the same moment. Slots are counted once it is
 * held, which may have taken a while.
 */
async function saveNumber(
  store: Store,
  id: string,
  judge: LeaseJudge,
): Promise<(SavedConcurrency & { isRaised: boolean }) | undefined> {
  return await inTransaction(store.pool, async (tx) => {
    const { rows } = await tx.pool.query<{ limits: ConcurrencyLimits | null; concurrency: number | null }>(
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
}

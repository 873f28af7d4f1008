/** Calls that join a run, or open one: what they share, whatever they call. */
import type { Joined, JoinedCall } from "../core/store/joins/join.ts";
import { joinTogether } from "../core/store/joins/join-together.ts";
import type { JoinPlace } from "../core/store/joins/joinable-runs.ts";
import { inTransaction, type Transaction } from "../core/store/transaction.ts";
import type { ApiParts } from "./environment.ts";

/** How calls of one place join, as a part of a transaction. */
export type JoinIn<Call> = (tx: Transaction, calls: readonly Call[]) => Promise<Joined>;

/** Joins together with others that come to the place meanwhile; answers once that is committed. */
export async function joinAtPlace<Call>(
  parts: ApiParts,
  place: JoinPlace,
  call: Call,
  joinIn: JoinIn<Call>,
): Promise<JoinedCall> {
  return await joinTogether(parts.store, place, call, async (calls: Call[]) => {
    const joined = await inTransaction(parts.store.pool, (tx) => joinIn(tx, calls));
    announceJoined(parts, joined);
    return joined.calls;
  });
}

/** After the commit. */
export function announceJoined(
  { ringer, notifier }: Pick<ApiParts, "ringer" | "notifier">,
  { due, hasNewInstant }: Joined,
): void {
  ringer.ring(due);
  if (hasNewInstant) notifier.notify("bellhop_joins");
}

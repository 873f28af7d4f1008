/** Calls that join a run, or open one: what they share, whatever they call. */
import { type IdempotentRequest, moveMade, type TakenKey, takeKey } from "../core/store/idempotency.ts";
import type { Joined, JoinedCall } from "../core/store/joins/join.ts";
import { joinTogether } from "../core/store/joins/join-together.ts";
import type { JoinPlace } from "../core/store/joins/joinable-runs.ts";
import { takeTurn } from "../core/store/joins/take-turns.ts";
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
    const joined = await inTransaction(
      parts.store.pool,
      async (tx) => await countOpened(parts, tx, place, await joinIn(tx, calls)),
    );
    announceJoined(parts, joined);
    return joined.calls;
  });
}

export interface JoinedOnce extends JoinedCall {
  /** The run is that of an earlier request with the same idempotency key. */
  isReplay: boolean;
}

/** A request that may come again. */
export interface JoiningRequest {
  once?: IdempotentRequest | undefined;
  /** Of the run that it would make without others. */
  runId: string;
  /** Called before it joins, and not for a repetition. Throws where it may not. */
  admit?: () => void;
}

/** The same for a request that may come again. */
export async function joinOnce<Call>(
  parts: ApiParts,
  { once, runId, admit }: JoiningRequest,
  place: JoinPlace,
  call: Call,
  joinIn: JoinIn<Call>,
): Promise<JoinedOnce> {
  if (!once) {
    admit?.();
    return { ...(await joinAtPlace(parts, place, call, joinIn)), isReplay: false };
  }
  // With its key it is a transaction of its own.
  const { earlier, joined } = await takeTurn(parts.store, place, () =>
    inTransaction(parts.store.pool, async (tx) => {
      const earlier = await takeKey(tx, once, runId);
      if (earlier) return { earlier };
      admit?.();
      const joined = await joinIn(tx, [call]);
      const { runId: madeId, ...told } = joined.calls[0]!;
      await moveMade(tx, once, madeId, Buffer.from(JSON.stringify(told)));
      return { joined: await countOpened(parts, tx, place, joined) };
    }),
  );
  if (earlier) return { runId: earlier.madeId, joined: wasJoined(earlier), isReplay: true };
  announceJoined(parts, joined);
  return { ...joined.calls[0]!, isReplay: false };
}

/** The release before kept no answer beside the run's id: then the run is what is told, as one that was there. */
const wasJoined = ({ answer }: TakenKey): boolean => answer === null || JSON.parse(answer.toString()).joined;

/** Of the day's runs those that were opened count, not the calls. */
async function countOpened(
  { daily }: ApiParts,
  tx: Transaction,
  { namespaceId }: JoinPlace,
  joined: Joined,
): Promise<Joined> {
  await daily.count(tx, namespaceId, joined.calls.filter((call) => !call.joined).length);
  return joined;
}

/** After the commit. */
function announceJoined(
  { ringer, notifier }: Pick<ApiParts, "ringer" | "notifier">,
  { due, hasNewInstant }: Joined,
): void {
  ringer.ring(due);
  if (hasNewInstant) notifier.notify("bellhop_joins");
}

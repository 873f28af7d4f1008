/**
 * Transactions that hold a place, one at a time in this process. Who waits for another's place in the database holds a
 * connection meanwhile: callers of one key could have them all.
 */
import type { Store } from "../database.ts";
import { type JoinPlace, placeBusy } from "./joinable-runs.ts";

/** At one place. */
export const MAX_WAITING = 250;
/** Who has waited longer when its turn comes is sent away: so a place that is stuck has no long line. */
export const LONGEST_TURN_WAIT_MS = 10_000;

/** By store and place, while somebody has its turn there: those who wait, in their order. */
const lines = new WeakMap<Store["pool"], Map<string, (() => void)[]>>();

/** 503 `overloaded` where too many wait, or one has waited too long; then `act` was not called. */
export async function takeTurn<T>(
  { pool }: Pick<Store, "pool">,
  place: JoinPlace,
  act: () => Promise<T>,
  steadyMs: () => number = () => performance.now(),
): Promise<T> {
  const ofStore = lines.get(pool) ?? new Map<string, (() => void)[]>();
  lines.set(pool, ofStore);
  const key = JSON.stringify([place.namespaceId, place.scope, place.key]);
  const waiting = ofStore.get(key);
  const beganMs = steadyMs();
  if (!waiting) ofStore.set(key, []);
  else if (waiting.length >= MAX_WAITING) throw placeBusy();
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    if (steadyMs() - beganMs > LONGEST_TURN_WAIT_MS) throw placeBusy();
    return await act();
  } finally {
    const next = ofStore.get(key)!.shift();
    if (next) next();
    else ofStore.delete(key);
  }
}

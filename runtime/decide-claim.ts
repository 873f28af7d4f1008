/** Decides where a worker's next claim looks. Pure. */

export const CLAIM_BATCH = 500;

export interface IntakeView {
  /** Bells that wait to be dealt with. */
  bells: number;
  freeSlots: number;
  /** The table is to be searched for runs that have been due for so long; null: no search is wanted. */
  searchOverdueMs: number | null;
  /** Any worker may serve them; false: on the lane of long runs a bell is for those who hear it. */
  bellsAreHints: boolean;
}

/** Of the runs that bells name, or the best of the table that have been due for `overdueMs`; `count` at most. */
export type NextClaim =
  | { from: "bells"; count: number }
  | { from: "table"; count: number; overdueMs: number };

/**
 * More bells than slots are a backlog, and so is a table that gave all that was asked of it (a search for what is due
 * now is wanted then): not the first to ring is served but the best that is due. Otherwise whatever bells name can be
 * had, and asking for it by name is cheap. A search for what others have left for a while comes before that: however many
 * bells there are, of whichever namespace, they keep nobody's run waiting longer.
 */
export function decideClaim({
  bells,
  freeSlots,
  searchOverdueMs,
  bellsAreHints,
}: IntakeView): NextClaim | undefined {
  const count = Math.min(freeSlots, CLAIM_BATCH);
  if (count <= 0) return undefined;
  const isBacklog = bells > freeSlots || searchOverdueMs === 0;
  if (bellsAreHints && isBacklog) return { from: "table", count, overdueMs: 0 };
  if (searchOverdueMs !== null) return { from: "table", count, overdueMs: searchOverdueMs };
  return bells > 0 ? { from: "bells", count } : undefined;
}

/** Each run that was found uses up a bell: its own where that waits here, else that which has waited longest. */
export function chooseServed<B extends { runId: string }>(
  bells: B[],
  runs: { id: string }[],
  found: number,
): B[] {
  const ids = new Set(runs.map(({ id }) => id));
  const own = bells.filter(({ runId }) => ids.has(runId));
  const others = bells.filter(({ runId }) => !ids.has(runId));
  return [...own, ...others.slice(0, Math.max(0, found - own.length))];
}

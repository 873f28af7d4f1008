/** Which runs of a function with a limit of runs at once start now, and which wait. Pure. */

export interface FunctionQueue {
  /** Runs at once, at most; null: as many as come. */
  limit: number | null;
  /** How many run now, whatever their revision. */
  running: number;
  /** Waited, and were told that there is room: oldest first. At least as many as there is room for. */
  offered: string[];
  /** Wait for room: oldest first. At least as many as there is room for. */
  awaited: string[];
  /** Queued runs that a worker has slots for, oldest first; may name offered ones. */
  asked: string[];
}

export interface Admission {
  /** At most as many as were asked for, and as there is room. */
  start: string[];
  /** Of those asked for: they wait until there is room. */
  hold: string[];
}

/**
 * Room goes first come, first served: to the offered, then the awaited, then those that are new. A run that is entitled
 * and was not asked for is started in the slot of one that must wait.
 */
export function decideAdmission({ limit, running, offered, awaited, asked }: FunctionQueue): Admission {
  const room = limit === null ? Number.POSITIVE_INFINITY : Math.max(0, limit - running);
  const line = [...new Set([...offered, ...awaited, ...asked])];
  const entitled = new Set(line.slice(0, Math.min(room, line.length)));
  const wanted = new Set(asked);
  const hold = asked.filter((id) => !entitled.has(id));
  const others = [...entitled].filter((id) => !wanted.has(id)).slice(0, hold.length);
  return { start: [...asked.filter((id) => entitled.has(id)), ...others], hold };
}

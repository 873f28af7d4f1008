/** Which runs have a permit of every limit that holds for them, and which wait, and for what. Pure. */

/** A queued run, with the limits that hold for it. */
export interface Candidate {
  id: string;
  keys: readonly string[];
}

export interface Admission {
  admitted: Candidate[];
  /** Each with the first of its keys that had no permit left. */
  refused: { id: string; key: string }[];
}

/**
 * Permits go down the line, which is in the order of turns: a run gets one of each of its keys, or none at all. One that
 * is refused for one key holds up nobody who needs only others.
 *
 * @param free how many permits each key has left; a key that is not in it has no limit
 */
export function decideAdmission(line: readonly Candidate[], free: ReadonlyMap<string, number>): Admission {
  const left = new Map(free);
  const admitted: Candidate[] = [];
  const refused: Admission["refused"] = [];
  for (const run of line) {
    const key = run.keys.find((key) => (left.get(key) ?? Number.POSITIVE_INFINITY) < 1);
    if (key !== undefined) {
      refused.push({ id: run.id, key });
      continue;
    }
    for (const key of run.keys) if (left.has(key)) left.set(key, left.get(key)! - 1);
    admitted.push(run);
  }
  return { admitted, refused };
}

/** Who stands in line where a worker asks for some runs. */
export interface ClaimLine {
  /** As many runs as the worker has slots for. */
  slots: number;
  /** Those it asks for that may be claimed, and those that wait for the same keys, in the order of their turn. */
  line: readonly (Candidate & { isAsked: boolean; suitsWorker: boolean })[];
  /** Runs that hold their permits and have not started, in the same order; they suit the worker. */
  granted: readonly string[];
  free: ReadonlyMap<string, number>;
}

export interface ClaimDecision {
  /** They take their permits and start; no more than there are slots. */
  start: Candidate[];
  /** They start with the permits they hold. */
  startGranted: string[];
  /** Those asked for that wait now. */
  hold: { id: string; key: string }[];
}

/**
 * A run that is entitled and was not asked for starts in the slot of one that must wait: granted ones first. One that
 * does not suit the worker keeps its turn, and its permit is not given to those behind it: it is granted soon.
 */
export function decideStarts({ slots, line, granted, free }: ClaimLine): ClaimDecision {
  const asked = new Set(line.filter(({ isAsked }) => isAsked).map(({ id }) => id));
  const { admitted, refused } = decideAdmission(line, free);
  const wanted = admitted.filter(({ id }) => asked.has(id));
  const startGranted = granted.slice(0, Math.max(0, slots - wanted.length));
  const unsuited = new Set(line.filter(({ suitsWorker }) => !suitsWorker).map(({ id }) => id));
  const others = admitted.filter(({ id }) => !asked.has(id) && !unsuited.has(id));
  const start = [...wanted, ...others.slice(0, Math.max(0, slots - wanted.length - startGranted.length))];
  return { start, startGranted, hold: refused.filter(({ id }) => asked.has(id)) };
}

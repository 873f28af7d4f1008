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
  /** How many permits each key has left then. */
  left: Map<string, number>;
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
  return { admitted, refused, left };
}

/** Who stands in line where a worker asks for some runs. */
export interface ClaimLine {
  /** As many runs as the worker has slots for. */
  slots: number;
  /** Those it asks for that may be claimed, and those that wait for the same keys, in the order of their turn. */
  line: readonly (Candidate & { priority: number; isAsked: boolean; suitsWorker: boolean })[];
  /** Runs that hold their permits and have not started, in the same order; they suit the worker. */
  granted: readonly string[];
  /** Such runs of a lower priority than some that are asked for, whether they suit the worker or not, in the same order. */
  yielding: readonly YieldingRun[];
  free: ReadonlyMap<string, number>;
}

export interface YieldingRun {
  id: string;
  priority: number;
  permits: readonly string[];
}

export interface ClaimDecision {
  /** They take their permits and start; no more than there are slots. */
  start: (Candidate & {
    /** It starts with what this granted run holds, and not at all where that has started meanwhile: then it waits for `key`. */
    insteadOf?: { id: string; key: string };
  })[];
  /** They start with the permits they hold. */
  startGranted: string[];
  /** Those asked for that wait now, and those that were granted permits and yield them. */
  hold: { id: string; key: string }[];
}

/**
 * A run that is entitled and was not asked for starts in the slot of one that must wait: granted ones first. One that
 * does not suit the worker keeps its turn, and its permit is not given to those behind it: it is granted soon. One that is
 * asked for starts with the permits of a granted one of a lower priority: it came after these were given.
 */
export function decideStarts({ slots, line, granted, yielding, free }: ClaimLine): ClaimDecision {
  const asked = new Map(line.filter(({ isAsked }) => isAsked).map((run) => [run.id, run]));
  const { admitted, refused, left } = decideAdmission(line, free);
  const turnedAway = refused.filter(({ id }) => asked.has(id));
  const passing = decidePassing(
    turnedAway.map(({ id, key }) => ({ ...asked.get(id)!, key })),
    yielding,
    left,
  );
  const yielded = new Set(passing.map(({ insteadOf }) => insteadOf.id));
  const passed = new Set(passing.map(({ id }) => id));
  const wanted = [...admitted.filter(({ id }) => asked.has(id)), ...passing];
  const startGranted = granted.filter((id) => !yielded.has(id)).slice(0, Math.max(0, slots - wanted.length));
  const unsuited = new Set(line.filter(({ suitsWorker }) => !suitsWorker).map(({ id }) => id));
  const others = admitted.filter(({ id }) => !asked.has(id) && !unsuited.has(id));
  const start = [...wanted, ...others.slice(0, Math.max(0, slots - wanted.length - startGranted.length))];
  const hold = [
    ...turnedAway.filter(({ id }) => !passed.has(id)),
    ...passing.map(({ insteadOf }) => insteadOf),
  ];
  return { start, startGranted, hold };
}

/** Of the runs that were turned away, in their order, those that start in the place of a granted one: of the last that will do. */
function decidePassing(
  turnedAway: readonly (Candidate & { priority: number; key: string })[],
  yielding: readonly YieldingRun[],
  left: Map<string, number>,
): (Candidate & { insteadOf: { id: string; key: string } })[] {
  const standing = [...yielding];
  return turnedAway.flatMap(({ id, keys, priority, key }) => {
    const leftWith = (permits: readonly string[], each: string) =>
      (left.get(each) ?? Number.POSITIVE_INFINITY) + Number(permits.includes(each));
    const at = standing.findLastIndex(
      (run) => run.priority < priority && keys.every((each) => leftWith(run.permits, each) >= 1),
    );
    if (at < 0) return [];
    const [given] = standing.splice(at, 1);
    // What it yields besides is nobody's here: it may have started meanwhile.
    for (const each of keys)
      if (left.has(each) && !given!.permits.includes(each)) left.set(each, left.get(each)! - 1);
    return [{ id, keys, insteadOf: { id: given!.id, key } }];
  });
}

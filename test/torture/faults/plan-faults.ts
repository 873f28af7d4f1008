/** When which fault comes, for how long, to whom: all of it follows from the seed. Pure. */
import { createRandom } from "../../support/random.ts";
import type { Fault, FaultKind } from "./fault.ts";

export interface PlannedFault {
  /** Since the work began. */
  atMs: number;
  kind: FaultKind;
  lastsMs: number;
  /** From 0 up to 1: whom it meets. */
  pick: number;
}

/** On the average; the least is none. */
const GAP_MS = 2_500;

export function planFaults(
  seed: number,
  durationMs: number,
  catalogue: Partial<Record<FaultKind, Pick<Fault, "weight" | "lastsMs">>>,
): PlannedFault[] {
  const random = createRandom(seed);
  const entries = Object.entries(catalogue) as [FaultKind, Pick<Fault, "weight" | "lastsMs">][];
  const tickets = entries.flatMap((entry) => Array<typeof entry>(entry[1].weight).fill(entry));
  const planned: PlannedFault[] = [];
  if (tickets.length === 0) return planned;
  for (let atMs = GAP_MS; atMs < durationMs; atMs += Math.round(2 * GAP_MS * random.next())) {
    const [kind, { lastsMs }] = random.pick(tickets);
    planned.push({
      atMs,
      kind,
      lastsMs: random.whole(...(lastsMs as [number, number])),
      pick: random.next(),
    });
  }
  return planned;
}

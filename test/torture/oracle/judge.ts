/** Holds the evidence against every invariant. Pure. */
import type { Evidence, Violation } from "./evidence.ts";
import { INVARIANTS } from "./invariants/index.ts";

export interface Judgement {
  tasks: number;
  runs: number;
  /** Runs by how they ended. */
  ends: Record<string, number>;
  changes: number;
  requests: number;
  /** Whose attempts were lost with their worker at least once. */
  rescued: number;
  invariants: string[];
  violations: Violation[];
}

export function judge(evidence: Evidence): Judgement {
  const rows = [...evidence.rows.values()].flat();
  const ends = Map.groupBy(rows, ({ state }) => state);
  return {
    tasks: evidence.tasks.size,
    runs: evidence.rows.size,
    ends: Object.fromEntries([...ends].map(([state, all]) => [state, all.length])),
    changes: sum(evidence.changes),
    requests: sum(evidence.requests),
    rescued: rows.filter(({ attempts }) => attempts.some(({ error }) => error?.code === "worker_lost"))
      .length,
    invariants: INVARIANTS.map(({ name }) => name),
    violations: INVARIANTS.flatMap(({ name, find }) =>
      [...find(evidence)].map((what) => ({ invariant: name, what })),
    ),
  };
}

const sum = (groups: Map<string, unknown[]>) =>
  [...groups.values()].reduce((total, { length }) => total + length, 0);

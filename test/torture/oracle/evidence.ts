/** What the oracle judges by: the audit trail and what stands in the database, and what harness and targets recorded. */

/** A change of a run's row. Instants are in epoch ms. */
export interface RunChange {
  /** Orders all changes. */
  id: number;
  at: number;
  /** Of its transaction. */
  xid: string;
  op: "I" | "U" | "D";
  runId: string;
  taskId: string | null;
  trigger: string;
  state: string;
  claimNo: number;
  workerId: string | null;
  attempt: number;
  scheduledFor: number;
  availableAt: number;
  limitKeys: string[] | null;
  /** Of the last attempt that it had by then. */
  errorCode: string | null;
}

/** A run as it stands at the end; more than one of an id is what must not be. */
export interface RunRow {
  id: string;
  taskId: string | null;
  trigger: string;
  state: string;
  claimNo: number;
  attempt: number;
  scheduledFor: number;
  startedAt: number | null;
  skipped: { reason: string; count: number; firstAt: string; lastAt: string } | null;
  attempts: { attempt: number; error: { code: string } | null }[];
}

export interface TaskRow {
  id: string;
  state: string;
  type: string;
  schedule: Record<string, unknown>;
  anchorAt: number;
  createdAt: number;
}

/** A request at a target. */
export interface TargetRequest {
  beganAt: number;
  /** Infinity: it was open when the records were closed. */
  endedAt: number;
  how: string | null;
  runId: string;
  attempt: number;
  path: string;
}

/** A request of the workload that was answered. */
export interface RecordedAnswer {
  act: string;
  key: string;
  method: string;
  path: string;
  body?: Record<string, unknown>;
  firstAt: number;
  at: number;
  status: number;
  answer: Record<string, unknown>;
}

export interface Facts {
  seed: number;
  leaseMs: number;
  beganAt: number;
  /** All faults are over. */
  healedAt: number;
  /** Nobody asks for anything more. */
  workEndedAt: number;
  /** What was still under way when the harness gave up waiting; none: all had ended. */
  unquiet: { what: string; id: string }[];
}

export interface Evidence {
  facts: Facts;
  /** In their order, by run. */
  changes: Map<string, RunChange[]>;
  rows: Map<string, RunRow[]>;
  tasks: Map<string, TaskRow>;
  /** By run, in the order in which they came. */
  requests: Map<string, TargetRequest[]>;
  answers: RecordedAnswer[];
}

export interface Violation {
  invariant: string;
  /** One sentence with what is needed to look it up. */
  what: string;
}

export interface Invariant {
  name: string;
  /** What must hold, as docs/torture.md lists it. */
  holds: string;
  /** One sentence each. */
  find(evidence: Evidence): Iterable<string>;
}

/** One transaction's changes of one run. */
export function transactionsOf(changes: readonly RunChange[]): RunChange[][] {
  const groups: RunChange[][] = [];
  for (const change of changes) {
    const last = groups.at(-1);
    if (last && last[0]!.xid === change.xid) last.push(change);
    else groups.push([change]);
  }
  return groups;
}

/** What the oracle judges by: the audit trail and what stands in the database, and what harness and targets recorded. */

/** A change of a run's row. Instants are in epoch ms. */
export interface RunChange {
  /** Orders all changes. */
  id: number;
  at: number;
  /** Its transaction, and when that began. */
  xid: string;
  beganAt: number;
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
  attempts: AttemptRecord[];
  /** Of a callback: the run whose end it tells. */
  callbackOf: string | null;
  /** Of a replay: the run that it repeats. */
  replayOf: string | null;
  functionId: string | null;
}

export interface AttemptRecord {
  attempt: number;
  /** ISO 8601. */
  startedAt: string;
  finishedAt: string;
  error: { code: string } | null;
}

/** A worker's lease was taken, renewed or let go (`D`). */
export interface LeaseChange {
  at: number;
  op: "I" | "U" | "D";
  workerId: string;
  leaseUntil: number;
}

/** A task by the trail: it is told of also where it was removed since. */
export interface TaskRecord {
  id: string;
  name: string | null;
  type: string;
  state: string;
  /** The last one that it had. */
  schedule: Record<string, unknown>;
  createdAt: number;
}

/** A schedule that a task was given. */
export interface GivenSchedule {
  taskId: string;
  schedule: Record<string, unknown>;
  anchorAt: number;
  /** When the transaction that gave it began, and when it wrote it. */
  beganAt: number;
  at: number;
}

/** A bulk action as it stands at the end. */
export interface BulkRecord {
  id: string;
  action: string;
  state: string;
  done: number;
  failed: number;
  /** Of a backfill. */
  taskId: string | null;
  instants: number | null;
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
  /** By which change of its task it was made, by the key of that request; null: by none. */
  change: string | null;
}

/** A message that a target took. */
export interface TakenMail {
  runId: string | null;
  at: number;
}

/** What a callback told a target. */
export interface ToldEnd {
  endedRunId: string | null;
  state: string | null;
}

/** Which calls' inputs a run of several calls had, by the keys of their requests. */
export interface Gathered {
  runId: string;
  keys: string[];
}

/** What an API answered to a target that completed a run later. */
export interface Completion {
  runId: string;
  attempt: number;
  status: number;
  state: string | null;
}

export interface LogLine {
  runId: string;
  attempt: number;
  message: string;
}

export interface RecordedFault {
  kind: string;
  part: string;
  at: number;
  healedAt: number;
}

/** How much the system took at a moment. */
export interface Sample {
  at: number;
  /** Resident, of each role's own process. */
  roleBytes: Record<string, number>;
  /** Open files and sockets of each. */
  roleDescriptors: Record<string, number>;
  /** To the database; null: it could not be asked. */
  connections: number | null;
}

/** A request of the workload that was answered; of status 0: it was given up without an answer. */
export interface RecordedAnswer {
  act: string;
  key: string;
  method: string;
  path: string;
  body?: Record<string, unknown>;
  firstAt: number;
  at: number;
  /** How often it was sent. */
  tries: number;
  status: number;
  /** As the answer's header names it. */
  runId: string | null;
  answer: Record<string, unknown>;
}

/** Of a partition of a topic: messages that its group has not dealt with. */
export interface TopicLag {
  topic: string;
  partition: number;
  lag: number;
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
  /** Once all is quiet; empty without Kafka. */
  lags: TopicLag[];
}

export interface Evidence {
  facts: Facts;
  /** In their order, by run. */
  changes: Map<string, RunChange[]>;
  rows: Map<string, RunRow[]>;
  tasks: Map<string, TaskRecord>;
  /** By task, in their order. */
  schedules: Map<string, GivenSchedule[]>;
  bulks: BulkRecord[];
  /** In their order, by worker. */
  leases: Map<string, LeaseChange[]>;
  /** By run, in the order in which they came. */
  requests: Map<string, TargetRequest[]>;
  mails: TakenMail[];
  told: ToldEnd[];
  gathered: Gathered[];
  completions: Completion[];
  /** By run. */
  logs: Map<string, LogLine[]>;
  answers: RecordedAnswer[];
  faults: RecordedFault[];
  samples: Sample[];
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

/** Changes of runs in one order, those of all runs together. */
export function allChanges({ changes }: Evidence): RunChange[] {
  return [...changes.values()].flat().sort((a, b) => a.id - b.id);
}

/** A frozen role may do what it was sent before so much later. */
const STALE_MS = 30_000;

/** Whether nothing that was sent for it will still be done at that instant. */
export const isDone = ({ at, tries, status }: RecordedAnswer, instant: number): boolean =>
  status !== 0 && at < instant && (tries === 1 || at + STALE_MS < instant);

export const isRepeating = (schedule: Record<string, unknown>): boolean =>
  ["every", "cron", "rrule"].includes(String(schedule["kind"]));

export const showInstant = (ms: number): string => new Date(ms).toISOString();

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

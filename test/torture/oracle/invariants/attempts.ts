/** When attempts begin, how they follow each other, and who may take one from its worker. */
import {
  type Evidence,
  type Invariant,
  type LeaseChange,
  type RunChange,
  showInstant,
  transactionsOf,
} from "../evidence.ts";

/** A rescue looks at leases a little before it writes. */
const DECIDED_WITHIN_MS = 2_000;

export const leaseKept: Invariant = {
  name: "lease-kept",
  holds: "No run of a task is taken from a worker whose lease stands.",
  *find({ changes, leases, faults }) {
    // What a fault holds up was decided long before it was written.
    const isHeldUp = (at: number) =>
      faults.some(
        (fault) =>
          /postgres|scheduler/.test(fault.part) &&
          at > fault.at - DECIDED_WITHIN_MS &&
          at < fault.healedAt + DECIDED_WITHIN_MS,
      );
    for (const [runId, ofRun] of changes)
      for (const { at, workerId } of rescuesOf(ofRun)) {
        const lease = lastBefore(leases.get(workerId ?? "") ?? [], at - DECIDED_WITHIN_MS);
        if (lease && lease.op !== "D" && lease.leaseUntil > at && !isHeldUp(at))
          yield `run ${runId} was taken at ${showInstant(at)} from a worker whose lease stood until ${showInstant(lease.leaseUntil)}`;
      }
  },
};

/** When it was taken from whom. Calls end otherwise, by their APIs. */
function* rescuesOf(changes: readonly RunChange[]): Iterable<{ at: number; workerId: string | null }> {
  let before: RunChange | undefined;
  for (const transaction of transactionsOf(changes)) {
    const after = transaction.at(-1)!;
    const isRescue =
      before?.state === "running" &&
      ["scheduled", "dead", "failed"].includes(after.state) &&
      after.errorCode === "worker_lost";
    if (isRescue && after.taskId !== null) yield { at: after.at, workerId: before!.workerId };
    before = after;
  }
}

const lastBefore = (leases: readonly LeaseChange[], at: number) => leases.findLast((lease) => lease.at <= at);

export const attemptsInOrder: Invariant = {
  name: "attempts-in-order",
  holds: "Each attempt of a run is on record once, after those before it.",
  *find({ rows }) {
    for (const [runId, [row]] of rows) {
      const numbers = row!.attempts.map(({ attempt }) => attempt);
      if (numbers.some((number, index) => index > 0 && number <= numbers[index - 1]!))
        yield `run ${runId} has the attempts ${numbers.join(", ")} on record`;
    }
  },
};

export const backsOff: Invariant = {
  name: "backs-off",
  holds: "No attempt begins sooner after one that failed than its task's back-off says.",
  *find(evidence) {
    const backoffs = readPolicies(
      evidence,
      ({ retry }) => (retry as { backoff?: Backoff } | undefined)?.backoff,
    );
    for (const [runId, ofRun] of evidence.changes) {
      const backoff = backoffs.get(ofRun[0]!.taskId ?? "");
      // One that somebody redrives waits no more.
      if (!backoff || ofRun.some(({ state }) => state === "dead")) continue;
      const endedAt = new Map(
        (evidence.rows.get(runId)?.[0]?.attempts ?? []).map(({ attempt, finishedAt }) => [
          attempt,
          Date.parse(finishedAt),
        ]),
      );
      for (const { state, attempt, at } of ofRun) {
        const before = endedAt.get(attempt - 1);
        const waitMs = leastWaitMs(backoff, attempt - 1);
        if (state === "running" && before !== undefined && at < before + waitMs - ROUNDING_MS)
          yield `attempt ${attempt} of run ${runId} was begun ${Math.round(at - before)} ms after the one before, of at least ${waitMs}`;
      }
    }
  },
};

const ROUNDING_MS = 1;

type Backoff = { kind?: string; initial: string } | { kind: "list"; waits: string[] };

/** After so many that failed. Jitter takes half of it away at most. */
function leastWaitMs(backoff: Backoff, failed: number): number {
  if ("waits" in backoff) return readMs(backoff.waits[failed - 1] ?? backoff.waits.at(-1)) / 2;
  return (readMs(backoff.initial) * (backoff.kind === "linear" ? failed : 1)) / 2;
}

/** Refused because of it, or lost before it was. */
const UNBEGUN = ["deadline_exceeded", "worker_lost"];

export const beginsInTime: Invariant = {
  name: "begins-in-time",
  holds: "No attempt of a run begins at its deadline or later.",
  *find(evidence) {
    const deadlines = readPolicies(evidence, ({ deadline }) =>
      deadline === undefined ? undefined : readMs(deadline),
    );
    for (const [runId, [row]] of evidence.rows) {
      const deadlineMs = deadlines.get(row!.taskId ?? "");
      if (deadlineMs === undefined) continue;
      const untilMs = row!.scheduledFor + deadlineMs;
      for (const { attempt, startedAt, error } of row!.attempts)
        if (Date.parse(startedAt) >= untilMs && !UNBEGUN.includes(error?.code ?? ""))
          yield `attempt ${attempt} of run ${runId} began at ${startedAt}, and its deadline was ${showInstant(untilMs)}`;
    }
  },
};

/** What the work said of a task when it made it, by the task; what is undefined is left out. */
function readPolicies<T>(
  { answers }: Evidence,
  read: (body: Record<string, unknown>) => T | undefined,
): Map<string, T> {
  const policies = new Map<string, T>();
  for (const { body, answer } of answers) {
    const policy = body && read(body);
    if (policy !== undefined) policies.set(String(answer["id"]), policy);
  }
  return policies;
}

/** Of the work: `100ms` or `3s`. */
function readMs(duration: unknown): number {
  const text = String(duration);
  return Number.parseInt(text, 10) * (text.endsWith("ms") ? 1 : 1_000);
}

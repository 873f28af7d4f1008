/** What runs did to the world, as their targets saw it. */
import {
  type Evidence,
  type Invariant,
  type RunChange,
  type TargetRequest,
  transactionsOf,
} from "../evidence.ts";

/** Of the clocks: instants are whole milliseconds here, and microseconds there. */
const ROUNDING_MS = 1;
/** Until a target hears that a connection was closed. */
const HEARING_MS = 500;

const isWork = ({ path }: TargetRequest) => path !== "/called";

/** How often it began to run; a direct call is first seen as it runs, or as it has ended. */
function claimsOf(changes: readonly RunChange[]): number {
  const states = transactionsOf(changes).map((transaction) => transaction.at(-1)!.state);
  return states.filter((state, index) => state === "running" && states[index - 1] !== "running").length;
}

export const atLeastOnce: Invariant = {
  name: "at-least-once",
  holds: "A run that succeeded has had its effect, and no run has had it more often than it was claimed.",
  *find(evidence) {
    const effectsOf = countEffects(evidence);
    for (const [runId, [row]] of evidence.rows) {
      const { state, trigger } = row!;
      const count = effectsOf(runId);
      if (state === "succeeded" && count === 0)
        yield `run ${runId} succeeded and its target never heard of it`;
      // A direct call is made without a claim.
      const claims = claimsOf(evidence.changes.get(runId) ?? []);
      const allowed = Math.max(claims, trigger === "invoke" ? 1 : 0);
      if (count > allowed) yield `run ${runId} had its effect ${count} times in ${allowed} claims`;
    }
  },
};

/** Requests and messages, by run. */
function countEffects({ requests, mails }: Evidence): (runId: string) => number {
  const mailed = Map.groupBy(mails, ({ runId }) => runId);
  return (runId) => (requests.get(runId)?.length ?? 0) + (mailed.get(runId)?.length ?? 0);
}

export const nothingEarly: Invariant = {
  name: "nothing-early",
  holds: "No run is claimed, or calls its target, before its instant, and no retry before its own.",
  *find({ changes, requests }: Evidence) {
    for (const [runId, ofRun] of changes) {
      const first = requests.get(runId)?.[0];
      // A run that calls may join has another instant with each of them.
      const { scheduledFor } = ofRun.find(({ state }) => state === "running") ?? ofRun[0]!;
      if (first && first.beganAt < scheduledFor - ROUNDING_MS)
        yield `run ${runId} of ${new Date(scheduledFor).toISOString()} called ${scheduledFor - first.beganAt} ms early`;
      let before: RunChange | undefined;
      for (const transaction of transactionsOf(ofRun)) {
        const after = transaction.at(-1)!;
        const isClaim = before?.state === "queued" && after.state === "running";
        if (isClaim && after.at < before!.availableAt - ROUNDING_MS)
          yield `run ${runId} was claimed ${before!.availableAt - after.at} ms early (change ${after.id})`;
        before = after;
      }
    }
  },
};

export const noOverlap: Invariant = {
  name: "no-overlap",
  holds: "Attempts of a run follow each other, unless the worker of the earlier one had lost its lease.",
  *find({ changes, requests }: Evidence) {
    for (const [runId, ofRun] of requests) {
      const calls = ofRun.filter(isWork);
      for (const [index, next] of calls.entries()) {
        const open = calls.slice(0, index).find(({ endedAt }) => endedAt > next.beganAt + HEARING_MS);
        if (!open || wasRescued(changes.get(runId) ?? [], open, next)) continue;
        yield `run ${runId}: attempt ${next.attempt} began while attempt ${open.attempt} was under way, whose worker was not lost`;
      }
    }
  },
};

/** Between the two the run was taken from its worker, as lost. */
function wasRescued(changes: readonly RunChange[], open: TargetRequest, next: TargetRequest): boolean {
  return changes.some(
    ({ at, errorCode, op }) =>
      op !== "D" && errorCode === "worker_lost" && at > open.beganAt && at <= next.beganAt + ROUNDING_MS,
  );
}

/** Every change of a run's state is one that may be, and its final row is one and stays. */
import { type Evidence, type Invariant, type RunChange, type RunRow, transactionsOf } from "../evidence.ts";

/** From each state, what may follow. Written down here anew: the product's own table is not asked. */
const NEXT: Record<string, readonly string[]> = {
  scheduled: ["scheduled", "queued", "cancelled"],
  queued: ["queued", "running", "cancelled", "skipped", "expired"],
  running: [
    ...["running", "deferred", "scheduled", "queued"],
    ...["succeeded", "failed", "dead", "cancelled", "expired"],
  ],
  deferred: ["deferred", "scheduled", "succeeded", "failed", "dead", "cancelled"],
  dead: ["dead", "queued", "failed"],
};
const BIRTHS = ["queued", "running", "skipped", "succeeded", "failed"];
const FINAL = ["succeeded", "failed", "cancelled", "skipped", "expired"];

export const legalChanges: Invariant = {
  name: "legal-changes",
  holds:
    "Each change of a run's state is one that its states allow, and only claims, rescues and late completions raise its number, by one.",
  *find({ changes, rows }) {
    for (const [runId, ofRun] of changes) {
      if (isTally(rows.get(runId))) continue;
      let before: RunChange | undefined;
      for (const transaction of transactionsOf(ofRun)) {
        const after = transaction.filter(({ op }) => op !== "D").at(-1);
        if (after) yield* findFaults(runId, before, after);
        else if (before && before.state !== "queued" && !FINAL.includes(before.state))
          yield `run ${runId} was deleted while it was ${before.state}`;
        // What was taken back before its instant may be staged again.
        before = after;
      }
    }
  },
};

/** What tells of excluded instants grows with those that follow. */
const isTally = (rows: RunRow[] | undefined) => rows?.[0]?.skipped?.reason === "excluded";

function* findFaults(runId: string, before: RunChange | undefined, after: RunChange): Iterable<string> {
  const allowed = before ? (NEXT[before.state] ?? []) : BIRTHS;
  if (!allowed.includes(after.state)) {
    yield `run ${runId} became ${after.state} from ${before?.state ?? "nothing"} (change ${after.id})`;
    return;
  }
  if (!before) return;
  const raise = after.claimNo - before.claimNo;
  if (!raisesOf(before, after).includes(raise))
    yield `run ${runId} became ${after.state} from ${before.state} with its claim number raised by ${raise} (change ${after.id})`;
}

/** By how much the number may rise: who takes an attempt from its maker raises it as well, so that its claim holds no more. */
function raisesOf(before: RunChange, after: RunChange): readonly number[] {
  if (before.state === "queued" && after.state === "running") return [1];
  const mayBeTaken =
    before.state === "deferred" || (before.state === "running" && after.errorCode === "worker_lost");
  return mayBeTaken ? [0, 1] : [0];
}

export const oneFinalRow: Invariant = {
  name: "one-final-row",
  holds: "A run has one row, and a final row is never changed, removed or followed by another.",
  *find({ changes, rows }: Evidence) {
    for (const [runId, ofRun] of rows)
      if (ofRun.length > 1) yield `run ${runId} has ${ofRun.length} rows: ${ofRun.map(({ state }) => state)}`;
    for (const [runId, ofRun] of changes) {
      const endedAt = ofRun.findIndex(({ op, state }) => op !== "D" && FINAL.includes(state));
      if (endedAt < 0 || isTally(rows.get(runId))) continue;
      const end = ofRun[endedAt]!;
      const later = ofRun.slice(endedAt + 1).find(({ xid, op }) => xid !== end.xid || op !== "D");
      if (later)
        yield `run ${runId} had ended as ${end.state}, and change ${later.id} (${later.op}) followed`;
      if (!rows.has(runId)) yield `run ${runId} had ended as ${end.state}, and its row is gone`;
    }
  },
};

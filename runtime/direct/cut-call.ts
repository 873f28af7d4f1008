/** A call whose caller was cut off: its run ends as failed with the reason, whatever the function does. */
import type { CutReason } from "../../core/contracts/call-stream.ts";
import { CUT_MESSAGES } from "../../core/contracts/direct-call.ts";
import { runError } from "../../core/domain/run-errors.ts";
import type { FinishedAttempt } from "../../core/store/runs/finish.ts";
import { withFailureLine } from "../failure-line.ts";

/** What is recorded agrees with what the caller was told; a cancel was somebody's wish and stands. */
export function asCut(attempt: FinishedAttempt, reason: CutReason): FinishedAttempt {
  if (attempt.verdict.state === "cancelled") return attempt;
  const error = runError(reason, CUT_MESSAGES[reason]);
  const record = { ...attempt.record, error };
  const logs = withFailureLine(attempt.logs, error, new Date(record.finishedAt));
  return { ...attempt, verdict: { state: "failed", error }, record, logs };
}

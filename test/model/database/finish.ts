/** As core/store/runs/finish.ts: how attempts end, each line behind its fence. */
import { mayHoldNext } from "../../../core/domain/overlap.ts";
import type { decideVerdict, RetryPolicy } from "../../../core/domain/retry.ts";
import { ask, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { givePermitsBack } from "./admit.ts";
import type { View } from "./database.ts";
import type { FinalRow, RunRow, TaskRow } from "./rows.ts";

export interface FinishedAttempt {
  runId: string;
  claimNo: number;
  /** Those it began with. */
  permits: RunRow["permits"];
  verdict: ReturnType<typeof decideVerdict>;
}

export interface FinishReport {
  recorded: Set<FinishedAttempt>;
  wantedKeys: string[];
  /** A later run may wait for one of those that ended. */
  /** A retry may come before what the scheduler sleeps for, and so may whoever waits for the end of a run. */
  wakesScheduler: boolean;
}

/** Every attempt fails in the same way, and waits as long. */
export const policyOf = ({ maxAttempts }: TaskRow) => ({
  retry: {
    maxAttempts,
    backoff: { kind: "list", waitsMs: [100], jitter: false },
  } satisfies RetryPolicy,
  deadLetter: true,
  deadlineAt: null,
});

export function finalRow({ drawNumber }: World, run: RunRow, state: FinalRow["state"]): FinalRow {
  return {
    ...{ key: `${run.id}/${drawNumber()}`, runId: run.id, taskId: run.taskId, state },
    ...{ scheduledForMs: run.scheduledForMs, claimNo: run.claimNo, workerId: run.workerId, skipped: null },
  };
}

const holdsUpOthers = (view: View, { taskId }: RunRow) => mayHoldNext("schedule", view.get("tasks", taskId)!);

export function finishAttempts(
  world: World,
  workerId: string,
  attempts: readonly FinishedAttempt[],
): Script<FinishReport> {
  return ask("finish attempts", (view) => {
    const report: FinishReport = { recorded: new Set(), wantedKeys: [], wakesScheduler: false };
    const taken: Pick<RunRow, "permits">[] = [];
    for (const attempt of attempts) {
      const run = view.get("runs", attempt.runId);
      if (!run || !isFenced(world, run, workerId, attempt.claimNo)) {
        if (world.hasBug("permits-returned-twice")) taken.push(attempt);
        continue;
      }
      view.lock("runs", run.id);
      report.recorded.add(attempt);
      report.wakesScheduler ||= attempt.verdict.state === "scheduled" || holdsUpOthers(view, run);
      taken.push(run);
      writeVerdict(view, world, run, attempt.verdict, attempt.claimNo);
    }
    report.wantedKeys = givePermitsBack(view, taken);
    return report;
  });
}

function isFenced({ hasBug }: World, run: RunRow, workerId: string, claimNo: number): boolean {
  if (run.state !== "running") return false;
  if (hasBug("finish-without-fence")) return true;
  if (run.workerId !== workerId) return false;
  return run.claimNo === claimNo || hasBug("finish-without-claim-number");
}

/** @param claimNo of the attempt whose verdict it is: it stands in the final row, for who judges */
export function writeVerdict(
  view: View,
  world: World,
  run: RunRow,
  verdict: FinishedAttempt["verdict"],
  claimNo: number,
  takenFromLost = false,
): void {
  const isUnwanted = verdict.state === "scheduled" && run.isCancelRequested;
  if (!isUnwanted && (verdict.state === "scheduled" || verdict.state === "dead")) {
    const isRetry = verdict.state === "scheduled";
    view.put("runs", run.id, {
      ...run,
      state: verdict.state,
      attempt: run.attempt + (isRetry ? 1 : 0),
      claimNo: run.claimNo + (takenFromLost ? 1 : 0),
      availableAtMs: isRetry ? verdict.availableAt.getTime() : run.availableAtMs,
    });
    return;
  }
  view.remove("runs", run.id);
  const row = finalRow(world, run, isUnwanted ? "cancelled" : verdict.state);
  view.put("finals", row.key, { ...row, claimNo });
}

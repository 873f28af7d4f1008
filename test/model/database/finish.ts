/** As core/store/runs/finish.ts, rescue.ts and owned.ts: how runs leave their workers, each line behind its fence. */

import type { AttemptEnd } from "../../../core/domain/attempt.ts";
import { mayHoldNext } from "../../../core/domain/overlap.ts";
import { decideVerdict, type RetryPolicy } from "../../../core/domain/retry.ts";
import { WORKER_LOST } from "../../../core/domain/run-errors.ts";
import type { LeaseJudge } from "../../../core/store/contact.ts";
import { ask, inTransaction, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { givePermitsBack } from "./admit.ts";
import type { View } from "./database.ts";
import type { FinalRow, RunRow, TaskRow } from "./rows.ts";
import { type StagedRun, toStaged } from "./stage.ts";

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
  mayHoldNext: boolean;
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

export const holdsUpOthers = (view: View, { taskId }: RunRow) =>
  mayHoldNext("schedule", view.get("tasks", taskId)!);

export function finishAttempts(
  world: World,
  workerId: string,
  attempts: readonly FinishedAttempt[],
): Script<FinishReport> {
  return ask("finish attempts", (view) => {
    const report: FinishReport = { recorded: new Set(), wantedKeys: [], mayHoldNext: false };
    const taken: Pick<RunRow, "permits">[] = [];
    for (const attempt of attempts) {
      const run = view.get("runs", attempt.runId);
      if (!run || !isFenced(world, run, workerId, attempt.claimNo)) {
        if (world.hasBug("permits-returned-twice")) taken.push(attempt);
        continue;
      }
      view.lock("runs", run.id);
      report.recorded.add(attempt);
      report.mayHoldNext ||= holdsUpOthers(view, run);
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
function writeVerdict(
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

const RESCUE_BATCH = 500;

export interface Rescued {
  count: number;
  wantedKeys: string[];
}

/** Runs of lost workers are decided as failed attempts. */
export function* rescueLostRuns(world: World, nowMs: number, judge: LeaseJudge): Script<Rescued> {
  const { hasBug } = world;
  return yield* inTransaction(world.database, "rescue", function* (tx) {
    const askedMs = yield* ask("ask the server", (view) => view.nowMs, tx);
    const at = new Date(askedMs);
    const mayJudge = judge.mayJudge({ at, exactAt: at.toISOString(), serverStartedAt: new Date(0) });
    if (!mayJudge && !hasBug("rescue-without-gap-guard")) return { count: 0, wantedKeys: [] };
    const isLocking = !hasBug("rescue-without-state-check");
    const lost = yield* ask("find lost runs", (view) => findLost(view, askedMs, isLocking), tx);
    if (lost.length === 0) return { count: 0, wantedKeys: [] };
    return yield* ask(
      "end attempts of others",
      (view) => {
        for (const { run, task } of lost) {
          const facts = { ...policyOf(task), attempt: run.attempt - run.attemptOffset };
          const outcome: AttemptEnd = run.isCancelRequested
            ? { kind: "cancelled" }
            : { kind: "failed", error: WORKER_LOST, retryable: true };
          writeVerdict(view, world, run, decideVerdict(outcome, facts, new Date(nowMs)), run.claimNo, true);
        }
        return {
          count: lost.length,
          wantedKeys: givePermitsBack(
            view,
            lost.map(({ run }) => run),
          ),
        };
      },
      tx,
    );
  });
}

function findLost(view: View, askedMs: number, isLocking: boolean): { run: RunRow; task: TaskRow }[] {
  return view
    .all("runs")
    .filter((run) => run.state === "running")
    .filter(({ workerId }) => !((view.get("workers", workerId!)?.leaseUntilMs ?? 0) > askedMs))
    .filter((run) => !isLocking || view.tryLock("runs", run.id))
    .slice(0, RESCUE_BATCH)
    .map((run) => ({ run, task: view.get("tasks", run.taskId)! }));
}

export interface ReleaseReport {
  released: StagedRun[];
  wantedKeys: string[];
}

/** running → queued: the attempt does not count. */
export function releaseRuns(
  workerId: string,
  runs: readonly { id: string; claimNo: number }[],
): Script<ReleaseReport> {
  return ask("release runs", (view) => {
    const taken = runs.flatMap(({ id, claimNo }) => {
      const run = view.get("runs", id);
      const isOwn = run?.state === "running" && run.workerId === workerId && run.claimNo === claimNo;
      return isOwn && !run.isCancelRequested ? [run] : [];
    });
    const released = taken.map((run) => {
      const free: RunRow = {
        ...run,
        state: "queued",
        workerId: null,
        startedAtMs: null,
        availableAtMs: view.nowMs,
      };
      view.put("runs", run.id, free);
      return toStaged(free);
    });
    return { released, wantedKeys: givePermitsBack(view, taken) };
  });
}

/** Of a run that is its worker's by the table, unknown there, and wanted by nobody. */
export function endLostRun(
  world: World,
  workerId: string,
  { id, claimNo }: { id: string; claimNo: number },
): Script {
  return ask("end lost run", (view) => {
    const run = view.get("runs", id);
    if (run?.state !== "running" || run.workerId !== workerId || run.claimNo !== claimNo) return;
    view.remove("runs", id);
    const row = finalRow(world, run, "cancelled");
    view.put("finals", row.key, row);
    givePermitsBack(view, [run]);
  });
}

export interface OwnedRun {
  id: string;
  claimNo: number;
  cancelRequested: boolean;
  isOld: boolean;
}

export function listOwnedRuns(workerId: string, leaseMs: number): Script<OwnedRun[]> {
  return ask("list owned runs", (view) =>
    view
      .all("runs")
      .filter((run) => run.state === "running" && run.workerId === workerId)
      .map((run) => ({
        ...{ id: run.id, claimNo: run.claimNo, cancelRequested: run.isCancelRequested },
        isOld: run.startedAtMs! < view.nowMs - leaseMs,
      })),
  );
}

export function renewLease(workerId: string, leaseMs: number): Script {
  return ask("renew lease", (view) =>
    view.put("workers", workerId, { id: workerId, leaseUntilMs: view.nowMs + leaseMs }),
  );
}

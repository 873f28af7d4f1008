/** As core/store/runs/rescue.ts: running → scheduled, or an end, of runs whose workers were lost. */
import type { AttemptEnd } from "../../../core/domain/attempt.ts";
import { decideVerdict } from "../../../core/domain/retry.ts";
import { WORKER_LOST } from "../../../core/domain/run-errors.ts";
import type { LeaseJudge } from "../../../core/store/contact.ts";
import { ask, inTransaction, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { givePermitsBack } from "./admit.ts";
import type { View } from "./database.ts";
import { policyOf, writeVerdict } from "./finish.ts";
import type { RunRow, TaskRow } from "./rows.ts";

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

/** Runs whose workers have no lease. */
export const listLost = (view: View, askedMs: number): RunRow[] =>
  view
    .all("runs")
    .filter((run) => run.state === "running")
    .filter(({ workerId }) => !((view.get("workers", workerId!)?.leaseUntilMs ?? 0) > askedMs));

function findLost(view: View, askedMs: number, isLocking: boolean): { run: RunRow; task: TaskRow }[] {
  return listLost(view, askedMs)
    .filter((run) => !isLocking || view.tryLock("runs", run.id))
    .slice(0, RESCUE_BATCH)
    .map((run) => ({ run, task: view.get("tasks", run.taskId)! }));
}

/** As core/store/runs/settle-held.ts: what becomes of held runs whose instant or turn has come. */
import { decideOverlap } from "../../../core/domain/overlap.ts";
import { skipOne } from "../../../core/domain/skipped.ts";
import { ask, inTransaction, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { cancelRunsIn } from "./cancel.ts";
import type { View } from "./database.ts";
import type { RunRow, TaskRow } from "./rows.ts";
import { isBusy, isHeld, type StagedRun, skippedRow, toStaged } from "./stage.ts";

export interface SettledRuns {
  started: StagedRun[];
  /** Running, and asked to stop. */
  asked: string[];
  more: boolean;
}

interface HeldTask {
  task: TaskRow;
  held: RunRow[];
  isBusy: boolean;
}

export function* settleHeldRuns(world: World, nowMs: number): Script<SettledRuns> {
  const isLocking = !world.hasBug("overlap-without-task-lock");
  const found = yield* ask("find held tasks", (view) => findTasks(view, nowMs));
  if (found.length === 0) return { started: [], asked: [], more: false };
  return yield* inTransaction(world.database, "settle", function* (tx) {
    const taskIds = yield* ask(
      "lock held tasks",
      (view) => found.filter((taskId) => !isLocking || view.tryLock("tasks", taskId)),
      tx,
    );
    const lines = yield* ask(
      "read lines",
      (view) => taskIds.map((taskId) => readLine(view, taskId, nowMs)),
      tx,
    );
    return yield* ask("settle", (view) => settle(view, world, lines), tx);
  });
}

function findTasks(view: View, nowMs: number): string[] {
  const runs = view.all("runs");
  const busy = new Set(runs.filter(isBusy).map(({ taskId }) => taskId));
  const found = runs.filter(
    (run) =>
      run.state === "queued" &&
      ((run.waitingFor === "instant" && run.availableAtMs <= nowMs) ||
        (run.waitingFor === "overlap" && !busy.has(run.taskId))),
  );
  return [...new Set(found.map(({ taskId }) => taskId))];
}

function readLine(view: View, taskId: string, nowMs: number): HeldTask {
  const line = view.all("runs").filter((run) => run.taskId === taskId);
  const held = line
    .filter((run) => run.state === "queued" && isHeld(run))
    .filter((run) => run.waitingFor === "overlap" || run.availableAtMs <= nowMs)
    .sort((one, other) => one.scheduledForMs - other.scheduledForMs || (one.id < other.id ? -1 : 1));
  return { task: view.get("tasks", taskId)!, held, isBusy: line.some(isBusy) };
}

function settle(view: View, world: World, lines: HeldTask[]): SettledRuns {
  const settled: SettledRuns = { started: [], asked: [], more: false };
  for (const { task, held, isBusy: lineIsBusy } of lines) {
    const idsOf = (waitingFor: RunRow["waitingFor"]) =>
      held.filter((run) => run.waitingFor === waitingFor).map(({ id }) => id);
    const line = { isBusy: lineIsBusy, waiting: idsOf("overlap"), due: idsOf("instant") };
    const { start, wait, skip, cancel, cancelsBusy } = decideOverlap(task.overlap, line);
    const stillHeld = (ids: readonly string[]) =>
      ids.flatMap((id) => {
        const run = view.get("runs", id);
        return run && run.state === "queued" && isHeld(run) ? [run] : [];
      });
    for (const run of stillHeld(start)) {
      view.put("runs", run.id, { ...run, waitingFor: null, waitingKey: null });
      settled.started.push(toStaged(run));
    }
    for (const run of stillHeld(wait)) view.put("runs", run.id, { ...run, waitingFor: "overlap" });
    for (const run of stillHeld(skip)) {
      view.remove("runs", run.id);
      const row = skippedRow(world, run.taskId, skipOne("overlap", new Date(run.scheduledForMs)), run.id);
      view.put("finals", row.key, row);
    }
    const busy = cancelsBusy ? view.all("runs").filter((run) => run.taskId === task.id && isBusy(run)) : [];
    const { asked, ended } = cancelRunsIn(view, world, [...cancel, ...busy.map(({ id }) => id)]);
    settled.asked.push(...asked);
    settled.more ||= ended > 0;
  }
  return settled;
}

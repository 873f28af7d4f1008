/** As core/store/tasks: what the API does to a task, in one transaction under its lock. */
import { decideDue } from "../../../core/domain/catch-up.ts";
import type { Overlap } from "../../../core/domain/overlap.ts";
import { firstOccurrence } from "../../../core/domain/schedule/occurrences.ts";
import { doesRepeat } from "../../../core/domain/schedule/schedule.ts";
import { countSkipped, type SkipReason } from "../../../core/domain/skipped.ts";
import { ask, inTransaction, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { givePermitsBack, isGranted } from "./admit.ts";
import { cancelRuns } from "./cancel.ts";
import type { View } from "./database.ts";
import type { LimitRow, RunRow, TaskRow } from "./rows.ts";
import { findNextOf, isHeld, type StagedRun, skippedRow, toStaged } from "./stage.ts";

export type NewTask = Pick<TaskRow, "id" | "schedule" | "overlap" | "catchUp" | "maxAttempts" | "limitKeys">;

export function createTask(task: NewTask, nowMs: number): Script {
  return ask("create task", (view) => {
    const first = firstOccurrence(task.schedule, new Date(nowMs));
    const nextRunAtMs = first?.getTime() ?? null;
    view.put("tasks", task.id, { ...task, state: "active", version: 1, anchorMs: nowMs, nextRunAtMs });
  });
}

/** Instants that passed and do not fire any more stand in the books. */
function recordPassed(view: View, world: World, task: TaskRow, nowMs: number): void {
  // What fires once waits for whoever resumes it.
  if (task.nextRunAtMs === null || !doesRepeat(task.schedule)) return;
  const reason: SkipReason = task.state === "paused" ? "paused" : "missed";
  const skipped = countSkipped(findNextOf(task), reason, new Date(task.nextRunAtMs), new Date(nowMs));
  if (!skipped) return;
  const row = skippedRow(world, task.id, skipped);
  view.put("finals", row.key, row);
}

/** The cursor, moved on past `nowMs`. */
function findComing(task: TaskRow, nowMs: number): number | null {
  if (task.nextRunAtMs === null || task.nextRunAtMs > nowMs || !doesRepeat(task.schedule))
    return task.nextRunAtMs;
  return findNextOf(task)(new Date(nowMs))?.getTime() ?? null;
}

export function* pauseTask(world: World, taskId: string, nowMs: number): Script {
  yield* inTransaction(world.database, "pause", function* (tx) {
    const task = yield* lockTask(taskId, tx);
    if (task?.state !== "active") return;
    yield* ask(
      "save state",
      (view) => {
        recordPassed(view, world, task, nowMs);
        view.put("tasks", taskId, { ...task, state: "paused", nextRunAtMs: findComing(task, nowMs) });
      },
      tx,
    );
  });
}

export function* resumeTask(world: World, taskId: string, nowMs: number): Script {
  yield* inTransaction(world.database, "resume", function* (tx) {
    const task = yield* lockTask(taskId, tx);
    if (task?.state !== "paused") return;
    yield* ask(
      "save state",
      (view) => {
        const nextRunAtMs = resume(view, world, task, nowMs);
        const state = nextRunAtMs === null ? "completed" : "active";
        view.put("tasks", taskId, { ...task, state, nextRunAtMs });
      },
      tx,
    );
  });
  world.notify("bellhop_schedule");
}

/** Where it goes on; what of its sleep does not fire any more is told of. */
function resume(view: View, world: World, task: TaskRow, nowMs: number): number | null {
  const { catchUp, nextRunAtMs } = task;
  if (catchUp === null || nextRunAtMs === null || nextRunAtMs > nowMs) {
    recordPassed(view, world, task, nowMs);
    return findComing(task, nowMs);
  }
  const { fires, passedOver } = decideDue(
    findNextOf(task),
    new Date(nextRunAtMs),
    new Date(nowMs),
    catchUp,
    "paused",
  );
  if (passedOver) {
    const row = skippedRow(world, task.id, passedOver);
    view.put("finals", row.key, row);
  }
  return fires[0]?.getTime() ?? findComing(task, nowMs);
}

export interface TaskChange {
  overlap: Overlap;
  limitKeys: readonly string[];
}

/** Another definition. From the commit on no run begins with the one that was. */
export function* changeTask(world: World, taskId: string, change: TaskChange): Script {
  const waiting = yield* inTransaction(world.database, "change", function* (tx) {
    const task = yield* lockTask(taskId, tx);
    if (!task || task.state === "cancelled") return [];
    yield* ask(
      "save definition",
      (view) => view.put("tasks", taskId, { ...task, ...change, version: task.version + 1 }),
      tx,
    );
    yield* ask("move waiting runs", (view) => moveWaitingRuns(view, taskId, change.limitKeys), tx);
    return yield* ask("renew runs", (view) => renewRuns(view, world, taskId), tx);
  });
  world.ring(waiting);
}

/** Runs that have not started stand in no line of their limits, and hold none of their permits. */
function moveWaitingRuns(view: View, taskId: string, limitKeys: readonly string[]): void {
  const moved = view
    .all("runs")
    .filter((run) => run.taskId === taskId && run.state !== "running")
    .filter((run) => String(run.limitKeys) !== String(limitKeys));
  for (const { id } of moved) view.lock("runs", id);
  givePermitsBack(view, moved.filter(isGranted));
  for (const run of moved) {
    const held = isHeld(run);
    view.put("runs", run.id, {
      ...{ ...run, limitKeys, permits: null },
      ...{ waitingFor: held ? run.waitingFor : null, waitingKey: held ? run.waitingKey : null },
    });
  }
}

/** Each waiting run becomes another row; what is under way is held until the commit, for it may come back to wait. */
function renewRuns(view: View, world: World, taskId: string): StagedRun[] {
  if (world.hasBug("change-renews-in-place")) return [];
  const held = view.all("runs").filter((run) => run.taskId === taskId && run.state !== "dead");
  for (const { id } of held) view.lock("runs", id);
  const waiting = held.filter(({ state }) => state !== "running");
  for (const run of waiting) view.put("runs", run.id, { ...run, tuple: world.drawNumber() });
  return waiting.filter((run) => run.state === "queued" && !isHeld(run)).map(toStaged);
}

export function* cancelTask(world: World, taskId: string, nowMs: number): Script {
  const { asked } = yield* inTransaction(world.database, "cancel task", function* (tx) {
    const task = yield* lockTask(taskId, tx);
    if (!task) return { asked: [] };
    yield* ask(
      "record passed",
      (view) => {
        if (task.state === "active" || task.state === "paused") recordPassed(view, world, task, nowMs);
      },
      tx,
    );
    const cancelled = yield* cancelRuns(world, (run) => run.taskId === taskId, tx);
    yield* ask(
      "save state",
      (view) =>
        view.put("tasks", taskId, { ...view.get("tasks", taskId)!, state: "cancelled", nextRunAtMs: null }),
      tx,
    );
    return cancelled;
  });
  if (asked.length > 0) world.notify("bellhop_cancel", asked);
}

function lockTask(taskId: string, tx: Parameters<typeof ask>[2]): Script<TaskRow | undefined> {
  return ask(
    "lock task",
    (view) => {
      view.lock("tasks", taskId);
      return view.get("tasks", taskId);
    },
    tx,
  );
}

/** dead → queued, with its whole allowance of attempts again. */
export function* redriveDeadLetters(world: World): Script {
  const redriven = yield* ask("redrive", (view) =>
    view
      .all("runs")
      .filter((run) => run.state === "dead" && view.get("tasks", run.taskId)!.state !== "cancelled")
      .filter((run) => view.tryLock("tasks", run.taskId) && view.tryLock("runs", run.id))
      .map((run) => {
        const queued: RunRow = {
          ...{ ...run, state: "queued", workerId: null, startedAtMs: null, isCancelRequested: false },
          ...{
            attemptOffset: run.attempt,
            attempt: run.attempt + 1,
            availableAtMs: view.nowMs,
            isRedriven: true,
          },
        };
        view.put("runs", run.id, queued);
        return toStaged(queued);
      }),
  );
  world.ring(redriven);
}

/** Runs that wait are granted their permits by the scheduler's next look. */
export function setLimit(key: string, concurrency: number): Script {
  return ask("set limit", (view) => {
    view.lock("limits", key);
    const row: LimitRow = view.get("limits", key) ?? { key, concurrency, permitsHeld: 0, hasWaiting: false };
    view.put("limits", key, { ...row, concurrency });
  });
}

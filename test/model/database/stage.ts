/** As core/store/runs/stage.ts and queue-retries.ts: due tasks become queued runs, and retries that waited become queued again. */
import { type DueDecision, decideDue } from "../../../core/domain/catch-up.ts";
import { nextOccurrence } from "../../../core/domain/schedule/occurrences.ts";
import { doesRepeat } from "../../../core/domain/schedule/schedule.ts";
import type { FindNext, SkippedInstants } from "../../../core/domain/skipped.ts";
import { ask, inTransaction, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import type { View } from "./database.ts";
import type { FinalRow, RunRow, TaskRow } from "./rows.ts";

export interface StagedRun {
  runId: string;
  availableAtMs: number;
}

export const toStaged = ({ id, availableAtMs }: RunRow): StagedRun => ({ runId: id, availableAtMs });

export const isHeld = ({ waitingFor }: RunRow) => waitingFor === "instant" || waitingFor === "overlap";

/** A run of its task's line that was let go and has not ended. */
export const isBusy = (run: RunRow) =>
  run.state === "running" || run.state === "scheduled" || (run.state === "queued" && !isHeld(run));

export const findNextOf =
  ({ schedule, anchorMs }: TaskRow): FindNext =>
  (after) =>
    nextOccurrence(schedule, new Date(anchorMs), after);

/** Of a run that was there; left out: of instants that became none. */
export function skippedRow(
  { drawNumber }: World,
  taskId: string,
  skipped: SkippedInstants,
  runId?: string,
): FinalRow {
  const key = `${runId ?? `${taskId}/skipped`}/${drawNumber()}`;
  return {
    ...{ key, runId: runId ?? key, taskId, state: "skipped" },
    ...{ scheduledForMs: Date.parse(skipped.firstAt), claimNo: 0, workerId: null, skipped },
  };
}

type Decided = DueDecision & { task: TaskRow };

export function* stageOccurrences(world: World, nowMs: number, horizonMs: number): Script<StagedRun[]> {
  const { database, hasBug } = world;
  const readDue = (view: View) =>
    view
      .all("tasks")
      .filter((task) => task.state === "active" && task.nextRunAtMs !== null && task.nextRunAtMs <= horizonMs)
      .filter((task) => hasBug("staging-without-locks") || view.tryLock("tasks", task.id));
  const decide = (due: TaskRow[]): Decided[] =>
    due.map((task) => ({
      task,
      ...decideDue(findNextOf(task), new Date(task.nextRunAtMs!), new Date(nowMs), task.catchUp),
    }));
  if (!hasBug("cursor-outside-its-transaction"))
    return yield* inTransaction(database, "stage", function* (tx) {
      const decided = decide(yield* ask("lock due tasks", readDue, tx));
      if (decided.length === 0) return [];
      return yield* ask(
        "insert runs, advance cursors",
        (view) => [
          ...decided.flatMap((one) => writeOccurrences(view, world, one)),
          ...decided.flatMap((one) => advance(view, one)),
        ],
        tx,
      );
    });
  const decided = yield* inTransaction(database, "advance", function* (tx) {
    const decided = decide(yield* ask("lock due tasks", readDue, tx));
    yield* ask("advance cursors", (view) => decided.flatMap((one) => advance(view, one)), tx);
    return decided;
  });
  return yield* ask("insert runs", (view) => decided.flatMap((one) => writeOccurrences(view, world, one)));
}

function advance(view: View, { task, nextRunAt }: Decided): [] {
  const now = view.get("tasks", task.id)!;
  view.put("tasks", task.id, {
    ...now,
    nextRunAtMs: nextRunAt?.getTime() ?? null,
    state: nextRunAt === null && now.state === "active" ? "completed" : now.state,
  });
  return [];
}

function writeOccurrences(view: View, world: World, decided: Decided): StagedRun[] {
  const { hasBug } = world;
  const { task, fires, inTurn, passedOver } = decided;
  if (passedOver && !hasBug("catch-up-forgets-passed")) {
    const row = skippedRow(world, task.id, passedOver);
    view.put("finals", row.key, row);
  }
  const hasOpen = view
    .all("runs")
    .some((run) => run.taskId === task.id && ["queued", "running", "scheduled"].includes(run.state));
  const hold = !doesRepeat(task.schedule)
    ? null
    : inTurn
      ? "overlap"
      : task.overlap === "allow"
        ? null
        : hasOpen
          ? "instant"
          : null;
  const staged: StagedRun[] = [];
  for (const at of fires) {
    if (hold === "instant" && hasBug("overlap-decided-when-staged") && task.overlap === "skip") {
      const iso = at.toISOString();
      const row = skippedRow(world, task.id, { reason: "overlap", count: 1, firstAt: iso, lastAt: iso });
      view.put("finals", row.key, row);
      continue;
    }
    const run = newRun(task, at.getTime(), hold, world.drawNumber());
    view.put("runs", run.id, run);
    if (hold === null) staged.push(toStaged(run));
  }
  return staged;
}

function newRun(task: TaskRow, atMs: number, hold: "overlap" | "instant" | null, number: number): RunRow {
  return {
    ...{ id: `${task.id}@${atMs}#${number}`, tuple: number, taskId: task.id, state: "queued" },
    ...{ scheduledForMs: atMs, availableAtMs: atMs, attempt: 1, attemptOffset: 0, claimNo: 0 },
    ...{ workerId: null, startedAtMs: null, isCancelRequested: false },
    ...{ waitingFor: hold, waitingKey: hold && `task:${task.id}` },
    ...{ limitKeys: task.limitKeys, permits: null, isRedriven: false },
  };
}

/** scheduled → queued. */
export function queueDueRetries(horizonMs: number): Script<StagedRun[]> {
  return ask("queue due retries", (view) => {
    const due = view
      .all("runs")
      .filter(({ state, availableAtMs }) => state === "scheduled" && availableAtMs <= horizonMs)
      .filter(({ id }) => view.tryLock("runs", id));
    return due.map((run) => {
      view.put("runs", run.id, { ...run, state: "queued" });
      return toStaged(run);
    });
  });
}

export interface NextInstants {
  due: Date | null;
  retry: Date | null;
  held: Date | null;
  hasWaiting: boolean;
}

export function findNextInstants(): Script<NextInstants> {
  return ask("find next instants", (view) => {
    const runs = view.all("runs");
    const earliest = (instants: number[]) => (instants.length > 0 ? new Date(Math.min(...instants)) : null);
    const queued = runs.filter(({ state }) => state === "queued");
    return {
      due: earliest(
        view
          .all("tasks")
          .flatMap(({ state, nextRunAtMs }) => (state === "active" ? (nextRunAtMs ?? []) : [])),
      ),
      retry: earliest(runs.filter(({ state }) => state === "scheduled").map((run) => run.availableAtMs)),
      held: earliest(queued.filter((run) => run.waitingFor === "instant").map((run) => run.availableAtMs)),
      hasWaiting: queued.some((run) => run.waitingFor === "overlap"),
    };
  });
}

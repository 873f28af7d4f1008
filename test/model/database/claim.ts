/**
 * As core/store/runs/claim.ts: queued → running. A claim is a statement of two steps here. What it sees, runs and their
 * tasks' definitions, is as of its beginning; a row that it then locks is looked at again as it stands, and one that was
 * replaced by another row meanwhile is gone for it. Runs that limits hold for go through `admitRuns`.
 */
import { ask, type Script } from "../simulation/script.ts";
import type { World } from "../simulation/world.ts";
import { admitRuns, type LimitedRun } from "./admit.ts";
import type { View } from "./database.ts";
import type { RunRow, TaskRow } from "./rows.ts";

export interface ClaimedRun {
  id: string;
  claimNo: number;
  run: RunRow;
  /** As the claim read it. */
  task: TaskRow;
}

export interface Claim {
  runs: ClaimedRun[];
  found: number;
}

export const isClaimable = (run: RunRow, nowMs: number, sinceMs = 0) =>
  run.state === "queued" && run.waitingFor === null && run.availableAtMs <= nowMs - sinceMs;

export const inTurn = (one: RunRow, other: RunRow) =>
  one.availableAtMs - other.availableAtMs || (one.id < other.id ? -1 : 1);

export function* claimRuns(world: World, workerId: string, runIds: readonly string[]): Script<Claim> {
  const ids = new Set(runIds);
  return yield* claim(world, workerId, (view) =>
    view.all("runs").filter((run) => ids.has(run.id) && isClaimable(run, view.nowMs)),
  );
}

export function* claimDueRuns(
  world: World,
  workerId: string,
  limit: number,
  overdueMs: number,
): Script<Claim> {
  return yield* claim(
    world,
    workerId,
    (view) =>
      view
        .all("runs")
        .filter((run) => isClaimable(run, view.nowMs, overdueMs))
        .sort(inTurn),
    limit,
  );
}

interface Snapshot {
  wanted: RunRow[];
  tasks: Map<string, TaskRow>;
  nowMs: number;
}

function* claim(
  world: World,
  workerId: string,
  find: (view: View) => RunRow[],
  limit = Number.POSITIVE_INFINITY,
): Script<Claim> {
  const seen: Snapshot = yield* ask("claim begins", (view) => ({
    wanted: find(view),
    tasks: new Map(view.all("tasks").map((task) => [task.id, task])),
    nowMs: view.nowMs,
  }));
  if (seen.wanted.length === 0) return { runs: [], found: 0 };
  const { runs, limited } = yield* ask("claim takes", (view) => take(view, workerId, seen, limit));
  const found = runs.length + limited.length;
  if (limited.length > 0) runs.push(...(yield* admitRuns(world, workerId, limited)));
  return { runs, found };
}

function take(
  view: View,
  workerId: string,
  { wanted, tasks, nowMs }: Snapshot,
  limit: number,
): { runs: ClaimedRun[]; limited: LimitedRun[] } {
  const chosen: RunRow[] = [];
  for (const { id, tuple } of wanted) {
    if (chosen.length >= limit) break;
    const run = view.get("runs", id);
    if (run?.tuple === tuple && isClaimable(run, nowMs) && view.tryLock("runs", id)) chosen.push(run);
  }
  const isLimited = (run: RunRow) =>
    !(run.waitingKey !== null && run.permits !== null) &&
    run.limitKeys.some((key) => view.get("limits", key) !== undefined);
  const runs = chosen
    .filter((run) => !isLimited(run))
    .map((run) => start(view, workerId, run, run.waitingKey === null ? null : run.permits, tasks));
  const limited = chosen.filter(isLimited).map(({ id, limitKeys }) => ({ id, keys: limitKeys }));
  return { runs, limited };
}

export function start(
  view: View,
  workerId: string,
  run: RunRow,
  permits: readonly string[] | null,
  tasks: ReadonlyMap<string, TaskRow>,
): ClaimedRun {
  const started: RunRow = {
    ...run,
    ...{ state: "running", claimNo: run.claimNo + 1, workerId, startedAtMs: view.nowMs },
    ...{ permits, waitingFor: null, waitingKey: null },
  };
  view.put("runs", run.id, started);
  return { id: run.id, claimNo: started.claimNo, run: started, task: tasks.get(run.taskId)! };
}

export interface EarlyRun {
  id: string;
  availableAtMs: number;
  waitMs: number;
}

export function findEarlyRuns(runIds: readonly string[]): Script<EarlyRun[]> {
  const ids = new Set(runIds);
  return ask("find early runs", (view) =>
    view
      .all("runs")
      .filter((run) => ids.has(run.id) && run.state === "queued" && run.waitingFor === null)
      .map(({ id, availableAtMs }) => ({
        id,
        availableAtMs,
        waitMs: Math.max(0, availableAtMs - view.nowMs),
      })),
  );
}

export const listOverdue = (view: View, overdueMs: number): RunRow[] =>
  view
    .all("runs")
    .filter((run) => isClaimable(run, view.nowMs, overdueMs))
    .sort(inTurn);

export const findOverdueRuns = (overdueMs: number): Script<RunRow[]> =>
  ask("find overdue runs", (view) => listOverdue(view, overdueMs));

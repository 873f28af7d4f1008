/** Real tasks in a real database under a stubbed clock, moved as a scheduler, a worker and callers of the API move them. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import type { CatchUp } from "../../core/domain/catch-up.ts";
import type { Overlap } from "../../core/domain/overlap.ts";
import type { Schedule } from "../../core/domain/schedule/schedule.ts";
import { MAX_SLEEP_MS, STAGE_AHEAD_MS } from "../../core/domain/staging.ts";
import { BellhopError } from "../../core/errors.ts";
import { putCalendar } from "../../core/store/calendars/change.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { claimDueRuns } from "../../core/store/runs/claim.ts";
import { finishAttempts } from "../../core/store/runs/finish.ts";
import { findNextInstants } from "../../core/store/runs/next-instants.ts";
import { createTask } from "../../core/store/tasks/create.ts";
import { cancelTask, removeTask } from "../../core/store/tasks/end.ts";
import { pauseTask, resumeTask } from "../../core/store/tasks/pause-resume.ts";
import { changeTask } from "../../core/store/tasks/redefine.ts";
import { seekInstants } from "../../core/store/tasks/seek-instants.ts";
import { settleExclusions } from "../../core/store/tasks/settle-exclusions.ts";
import { finished, httpTask, makeWorker, SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import type { TestStore } from "../../core/store/testing/test-store.ts";
import { decideSleepMs, type StageReport, stagePass } from "../../scheduler/stage.ts";
import { FEW_DUE } from "../../scheduler/stage-ahead.ts";
import { setDatabaseClock } from "./clocked-database.ts";

export interface Policy {
  overlap: Overlap;
  catchUp: CatchUp | null;
}

export interface RunRow {
  taskId: string;
  scheduledFor: Date;
  state: string;
  waitingFor: string | null;
  skipped: { reason: string; count: number; firstAt: string; lastAt: string } | null;
}

export interface TaskRow {
  id: string;
  state: string;
  nextRunAt: Date | null;
  runsLeft: number | null;
}

export interface ScheduledTasks {
  setClock(now: Date): Promise<void>;
  create(id: string, schedule: Schedule, policy: Policy): Promise<void>;
  putCalendar(name: string, dates: string[]): Promise<void>;
  /** As long as there is something to do, up to so long ahead. Default: as of a few tasks. */
  pass(aheadMs?: number): Promise<void>;
  settleExclusions(): Promise<void>;
  claimDue(): Promise<ClaimedRun[]>;
  finish(run: ClaimedRun, outcome: "succeeded" | "dead" | { retryAt: Date }): Promise<void>;
  /** Each answers whether the task could be. */
  pause(id: string): Promise<boolean>;
  resume(id: string): Promise<boolean>;
  cancel(id: string): Promise<boolean>;
  remove(id: string): Promise<boolean>;
  /** A schedule that is the same keeps its grid. */
  put(id: string, schedule: Schedule, policy: Policy): Promise<boolean>;
  readRuns(): Promise<RunRow[]>;
  readTasks(): Promise<TaskRow[]>;
}

const didNothing = ({ staged, skipped, retries, settled }: StageReport) =>
  [staged, skipped, retries, settled.started, settled.skipped, settled.cancelled.ended].every(
    ({ length }) => length === 0,
  );

/** Whether what was asked for could be done. */
async function wasDone(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof BellhopError && (error.status === 404 || error.status === 409)) return false;
    throw error;
  }
}

export async function openScheduledTasks({ store, db, newNamespace }: TestStore): Promise<ScheduledTasks> {
  const namespaceId = await newNamespace();
  const workerId = await makeWorker(db);
  let now = new Date(0);
  const clock = { now: () => now } as Clock;

  return {
    async setClock(at) {
      now = at;
      await setDatabaseClock(store, at);
    },
    async create(id, schedule, policy) {
      await createTask(store, { namespaceId, id, input: httpTask(schedule, policy), now });
    },
    async putCalendar(name, dates) {
      await putCalendar(store, namespaceId, name, dates, () => now);
    },
    async pass(aheadMs = STAGE_AHEAD_MS) {
      for (;;) {
        const { found } = await seekInstants(store, now, 1_000);
        const report = await stagePass(store, clock, { aheadMs });
        // Runs that wait for their turn are staged, and not told of.
        const isMoreDue =
          decideSleepMs(await findNextInstants(store), now, MAX_SLEEP_MS, { ...FEW_DUE, aheadMs }) === 0;
        if (didNothing(report) && found === 0 && !isMoreDue) return;
      }
    },
    async settleExclusions() {
      await settleExclusions(store, now, 1_000);
    },
    claimDue: async () => (await claimDueRuns(store, workerId, 10_000, 0)).runs,
    async finish(run, outcome) {
      const verdict =
        outcome === "succeeded"
          ? ({ state: "succeeded", result: null } as const)
          : outcome === "dead"
            ? ({ state: "dead", error: SAMPLE_ERROR } as const)
            : ({ state: "scheduled", availableAt: outcome.retryAt, error: SAMPLE_ERROR } as const);
      await finishAttempts(store, workerId, [finished(run, workerId, verdict)]);
    },
    pause: (id) => wasDone(pauseTask(store, namespaceId, id, now)),
    resume: (id) => wasDone(resumeTask(store, namespaceId, id, now)),
    cancel: (id) => wasDone(cancelTask(store, namespaceId, id, now)),
    remove: (id) => wasDone(removeTask(store, namespaceId, id, now)),
    put: (id, schedule, policy) =>
      wasDone(
        changeTask(store, namespaceId, id, now, async (task) => {
          const reschedules = !isDeepStrictEqual(task.schedule, schedule);
          return { input: httpTask(schedule, policy), functionId: null, reschedules };
        }),
      ),
    async readRuns() {
      const { rows } = await store.pool.query<RunRow>(
        `SELECT task_id AS "taskId", scheduled_for AS "scheduledFor", state, waiting_for AS "waitingFor", skipped
         FROM task_runs WHERE namespace_id = $1 ORDER BY task_id, scheduled_for, id`,
        [namespaceId],
      );
      return rows;
    },
    async readTasks() {
      const { rows } = await store.pool.query<TaskRow>(
        `SELECT id, state, next_run_at AS "nextRunAt", runs_left AS "runsLeft" FROM tasks
         WHERE namespace_id = $1 AND removed_at IS NULL ORDER BY id`,
        [namespaceId],
      );
      return rows;
    },
  };
}

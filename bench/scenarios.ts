/** What is measured, each against a running system. Times in milliseconds, rates per second. */
import { setTimeout as sleep } from "node:timers/promises";
import { forEachConcurrently, type Spread, spreadOf } from "./stats.ts";
import type { BenchSystem } from "./system.ts";

export type TaskBody = Record<string, unknown>;

/** The herd's instant is set so far ahead that all its tasks are made before it. */
const SLOWEST_CREATES_PER_SECOND = 600;
const NOOP_SOURCE = "export default async () => null;";
const nowMs = () => performance.timeOrigin + performance.now();

export async function prepare({ call }: BenchSystem): Promise<void> {
  await call("PUT", "/v1/functions/noop", { source: NOOP_SOURCE });
  // The first call starts the executor; it is measured by itself in `invokeCold`.
  await call("POST", "/v1/functions/noop/invoke", null);
}

/** The newest run id: what is made after it belongs to the scenario. */
export async function lastRunId({ db }: BenchSystem): Promise<string> {
  const { rows } = await db.query(
    "SELECT coalesce(max(id::text), '00000000-0000-0000-0000-000000000000') AS id FROM task_runs",
  );
  return rows[0].id;
}

export interface RunTimes {
  /** Null: `default`. */
  queue: string | null;
  queuedMs: number;
  scheduledMs: number;
  startedMs: number;
  finishedMs: number;
}

/** Cheap however many there are: counting the runs over and over would take a core from them. */
const IS_UNDER_WAY = `SELECT EXISTS (SELECT FROM tasks WHERE state = 'active' AND next_run_at <= coalesce($1, now()))
  OR EXISTS (SELECT FROM task_runs_open WHERE state IN ('queued', 'running', 'scheduled')
    AND ($2::uuid IS NULL OR id > $2)) AS "isUnderWay"`;

/** Whether any run, of those made after `afterId` where that is given, is in work, or is due by `until`; by default, by now. */
export async function isUnderWay({ db }: BenchSystem, until?: Date, afterId?: string): Promise<boolean> {
  const { rows } = await db.query(IS_UNDER_WAY, [until ?? null, afterId ?? null]);
  return rows[0].isUnderWay;
}

/** Waits until `count` runs made after `afterId` are recorded as succeeded. */
export async function waitForRuns(system: BenchSystem, afterId: string, count: number): Promise<RunTimes[]> {
  const { db } = system;
  for (;;) {
    if (!(await isUnderWay(system, undefined, afterId)) && (await countSucceeded(system, afterId)) >= count)
      break;
    await sleep(100);
  }
  const { rows } = await db.query(
    `SELECT queue, extract(epoch FROM scheduled_for)::float8 * 1000 AS "scheduledMs",
      extract(epoch FROM queued_at)::float8 * 1000 AS "queuedMs",
      extract(epoch FROM started_at)::float8 * 1000 AS "startedMs", extract(epoch FROM finished_at)::float8 * 1000 AS "finishedMs"
     FROM task_runs WHERE id > $1`,
    [afterId],
  );
  return rows;
}

async function countSucceeded({ db }: BenchSystem, afterId: string): Promise<number> {
  const { rows } = await db.query(
    "SELECT count(*)::int AS done FROM task_runs WHERE id > $1 AND state = 'succeeded'",
    [afterId],
  );
  return rows[0].done;
}

/** Runs a second, from the first POST to the last run recorded, the API kept busy by 64 callers. */
export async function measureEndToEnd(system: BenchSystem, body: TaskBody, count: number): Promise<number> {
  const after = await lastRunId(system);
  const beganMs = nowMs();
  await forEachConcurrently(count, 64, async () => void (await system.call("POST", "/v1/tasks", body)));
  const runs = await waitForRuns(system, after, count);
  return Math.round(count / ((Math.max(...runs.map(({ finishedMs }) => finishedMs)) - beganMs) / 1_000));
}

/** All due at one instant: runs recorded a second from that instant on, and how late each started. */
export async function measureHerd(
  system: BenchSystem,
  body: TaskBody,
  count: number,
): Promise<{ runsPerSecond: number; latenessMs: Spread }> {
  const after = await lastRunId(system);
  const at = new Date(
    Date.now() + Math.ceil((count / SLOWEST_CREATES_PER_SECOND) * 1_000) + 3_000,
  ).toISOString();
  await forEachConcurrently(
    count,
    64,
    async () => void (await system.call("POST", "/v1/tasks", { ...body, schedule: { at } })),
  );
  if (Date.now() > Date.parse(at) - 1_500)
    throw new Error("This machine makes tasks too slowly for the herd: lower --runs.");
  const runs = await waitForRuns(system, after, count);
  const seconds = (Math.max(...runs.map(({ finishedMs }) => finishedMs)) - Date.parse(at)) / 1_000;
  return {
    runsPerSecond: Math.round(count / seconds),
    latenessMs: spreadOf(runs.map((run) => run.startedMs - run.scheduledMs)),
  };
}

/** From the POST to the start of the run, one at a time. */
export async function measureCreateToStart(
  system: BenchSystem,
  body: TaskBody,
  count: number,
): Promise<Spread> {
  const waits: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const after = await lastRunId(system);
    const beganMs = nowMs();
    await system.call("POST", "/v1/tasks", body);
    const [run] = await waitForOne(system, after);
    waits.push(run!.startedMs - beganMs);
  }
  return spreadOf(waits);
}

async function waitForOne(system: BenchSystem, after: string): Promise<RunTimes[]> {
  for (;;) {
    const { rows } = await system.db.query(
      `SELECT extract(epoch FROM started_at)::float8 * 1000 AS "startedMs" FROM task_runs
       WHERE id > $1 AND state = 'succeeded'`,
      [after],
    );
    if (rows.length > 0) return rows;
    await sleep(2);
  }
}

/** How late runs start whose instants are spread evenly. */
export async function measureSpreadLateness(
  system: BenchSystem,
  body: TaskBody,
  count: number,
  overMs: number,
): Promise<Spread> {
  const after = await lastRunId(system);
  const firstMs = Date.now() + 4_000;
  await forEachConcurrently(count, 32, async (index) => {
    const at = new Date(firstMs + Math.round((index * overMs) / count)).toISOString();
    await system.call("POST", "/v1/tasks", { ...body, schedule: { at } });
  });
  const runs = await waitForRuns(system, after, count);
  return spreadOf(runs.map((run) => run.startedMs - run.scheduledMs));
}

/** Herds: very many tasks due at one instant, and the same with jitter. Each is recorded exactly once, or the benchmark fails. */
import { setTimeout as sleep } from "node:timers/promises";
import { isUnderWay, type TaskBody } from "./scenarios.ts";
import { forEachConcurrently, type Spread, spreadOf } from "./stats.ts";
import type { BenchSystem } from "./system.ts";

/** What `POST /v1/tasks/batch` takes at once. */
const BATCH = 1_000;
const BATCHES_AT_ONCE = 2;
/** The instant is set so far ahead that all tasks are made before it, at the pace of a batch before them and slower. */
const SLOWNESS = 2;
const JITTER_MS = 60_000;

export interface HerdFigures {
  tasks: number;
  /** From the instant until every run is there, and until every one is recorded as succeeded. */
  stagedMs: number;
  recordedMs: number;
  runsPerSecond: number;
  latenessMs: Spread;
}

interface Times {
  runs: number;
  tasks: number;
  lateness: number[];
  lastQueuedMs: number;
  lastFinishedMs: number;
}

async function chooseInstant({ call }: BenchSystem, body: TaskBody, count: number): Promise<number> {
  const beganMs = performance.now();
  const items = Array.from({ length: BATCH }, () => ({ ...body, schedule: { delay: "30d" } }));
  await call("POST", "/v1/tasks/batch", { items });
  const batchMs = performance.now() - beganMs;
  return Date.now() + Math.ceil((count / BATCH) * batchMs * SLOWNESS) + 5_000;
}

/** @param bodyOf of the task of a number */
async function makeTasks(
  { call }: BenchSystem,
  count: number,
  label: string,
  firstMs: number,
  bodyOf: (index: number) => TaskBody,
): Promise<void> {
  await forEachConcurrently(Math.ceil(count / BATCH), BATCHES_AT_ONCE, async (batch) => {
    const size = Math.min(BATCH, count - batch * BATCH);
    const items = Array.from({ length: size }, (_, index) => ({
      ...bodyOf(batch * BATCH + index),
      labels: { herd: label },
    }));
    await call("POST", "/v1/tasks/batch", { items });
  });
  if (Date.now() > firstMs - 1_500) throw new Error("This machine makes tasks too slowly for the herd.");
}

const RUNS = `FROM task_runs r JOIN tasks t ON t.id = r.task_id
  WHERE t.labels ->> 'herd' = $1 AND r.state = 'succeeded'`;

/** Waits for the runs of all that are due until `lastMs`, and sees that each task has one, and no other. */
async function waitForHerd(
  system: BenchSystem,
  label: string,
  count: number,
  lastMs: number,
): Promise<Times> {
  do await sleep(250);
  while (await isUnderWay(system, new Date(lastMs)));
  const { rows } = await system.db.query(
    `SELECT count(*)::int AS runs, count(DISTINCT r.task_id)::int AS tasks,
      array_agg(extract(epoch FROM r.started_at - r.available_at)::float8 * 1000) AS lateness,
      max(extract(epoch FROM r.queued_at))::float8 * 1000 AS "lastQueuedMs",
      max(extract(epoch FROM r.finished_at))::float8 * 1000 AS "lastFinishedMs" ${RUNS}`,
    [label],
  );
  const times = rows[0] as Times;
  if (times.runs !== count || times.tasks !== count)
    throw new Error(`of ${count} tasks ${times.tasks} have ${times.runs} runs`);
  return times;
}

/** All due at one instant. */
export async function measureInstant(
  system: BenchSystem,
  body: TaskBody,
  count: number,
): Promise<HerdFigures> {
  const atMs = await chooseInstant(system, body, count);
  const label = `instant-${count}-${atMs}`;
  const at = new Date(atMs).toISOString();
  await makeTasks(system, count, label, atMs, () => ({ ...body, schedule: { at } }));
  const { lateness, lastQueuedMs, lastFinishedMs } = await waitForHerd(system, label, count, atMs);
  const recordedMs = Math.round(lastFinishedMs - atMs);
  return {
    tasks: count,
    stagedMs: Math.round(lastQueuedMs - atMs),
    recordedMs,
    runsPerSecond: Math.round((count * 1_000) / recordedMs),
    latenessMs: spreadOf(lateness),
  };
}

/** Lateness of a herd with jitter over a minute, and of as many tasks that are spread evenly over one. */
export async function measureJitter(
  system: BenchSystem,
  body: TaskBody,
  count: number,
): Promise<{ jitter: Spread; spread: Spread }> {
  const lateness = async (kind: string, scheduleOf: (index: number, fromMs: number) => object) => {
    const fromMs = await chooseInstant(system, body, count);
    const label = `${kind}-${count}-${fromMs}`;
    await makeTasks(system, count, label, fromMs, (index) => ({
      ...body,
      schedule: scheduleOf(index, fromMs),
    }));
    return spreadOf((await waitForHerd(system, label, count, fromMs + JITTER_MS)).lateness);
  };
  const jitter = await lateness("jitter", (_, fromMs) => ({
    ...{ every: "1w", anchor: new Date(fromMs).toISOString() },
    ...{ maxRuns: 1, jitter: `${JITTER_MS / 1_000}s` },
  }));
  const spread = await lateness("spread", (index, fromMs) => ({
    at: new Date(fromMs + Math.round((index * JITTER_MS) / count)).toISOString(),
  }));
  return { jitter, spread };
}

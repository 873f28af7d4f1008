/** What the system takes at an instant: each figure by its name. */
import { readdirSync, readFileSync } from "node:fs";
import { request } from "undici";
import type { BenchSystem } from "../../bench/system.ts";
import { descendantsOf } from "../../core/processes/process-tree.ts";

export interface Sample {
  atSeconds: number;
  figures: Record<string, number>;
}

const MEGABYTE = 1_000_000;

/** What grows by design for as long as it is kept is told apart from what is open. */
const TABLES = `
  SELECT coalesce(sum(pg_total_relation_size(relid)) FILTER (WHERE relname = 'task_runs_open'), 0)::float8 AS "open",
    coalesce(sum(pg_total_relation_size(relid)) FILTER (WHERE relname = 'tasks'), 0)::float8 AS tasks,
    coalesce(sum(pg_total_relation_size(relid)) FILTER (WHERE relname ~ '_[0-9]{8}$'), 0)::float8 AS days,
    coalesce(sum(pg_total_relation_size(relid)) FILTER (
      WHERE relname NOT IN ('task_runs_open', 'tasks', 'run_fences', 'function_revisions') AND relname !~ '_[0-9]{8}$'), 0)::float8 AS others,
    coalesce(sum(n_dead_tup) FILTER (WHERE relname !~ '_[0-9]{8}$'), 0)::float8 AS dead,
    (count(*) FILTER (WHERE relname ~ '_[0-9]{8}$'))::int AS partitions
  FROM pg_stat_user_tables`;
const RUNS = `
  SELECT count(*)::int AS open, (count(*) FILTER (WHERE state = 'queued' AND available_at < now() - interval '1 second'
      AND waiting_for IS NULL))::int AS overdue FROM task_runs_open`;
const CONNECTIONS = `
  SELECT application_name AS name, count(*)::int AS count FROM pg_stat_activity
  WHERE application_name LIKE 'bellhop-%' GROUP BY application_name`;

/** Sums of histograms since the sample before: their means are of the time between. */
export function createSampler(system: BenchSystem): (atSeconds: number) => Promise<Sample> {
  let before = new Map<string, number>();
  return async (atSeconds) => {
    const figures: Record<string, number> = {};
    const seen = new Map<string, number>();
    for (const { name, pid, port } of system.roles) {
      Object.assign(figures, readProcess(name, pid));
      const metrics = await readMetrics(port);
      figures[`${name} heap`] = (metrics.get("nodejs_heap_size_used_bytes") ?? 0) / MEGABYTE;
      for (const [metric, total] of metrics) seen.set(`${name} ${metric}`, total);
    }
    const meanMs = (metric: string) => {
      const since = (part: string) =>
        (seen.get(`${metric}_${part}`) ?? 0) - (before.get(`${metric}_${part}`) ?? 0);
      return (1_000 * since("sum")) / Math.max(since("count"), 1);
    };
    for (const { name } of system.roles)
      figures[`${name} lag`] = meanMs(`${name} bellhop_event_loop_lag_seconds`);
    figures["claim"] = meanMs("worker bellhop_claim_duration_seconds");
    figures["recording"] = meanMs("worker bellhop_recording_duration_seconds");
    figures["lateness"] = meanMs("worker bellhop_run_lateness_seconds");
    before = seen;
    return { atSeconds, figures: { ...figures, ...(await readDatabase(system)) } };
  };
}

async function readDatabase({ db }: BenchSystem): Promise<Record<string, number>> {
  const tables = (await db.query<Record<string, number>>(TABLES)).rows[0]!;
  const runs = (await db.query<{ open: number; overdue: number }>(RUNS)).rows[0]!;
  const connections = (await db.query<{ name: string; count: number }>(CONNECTIONS)).rows;
  const countOf = (role: string) =>
    connections.filter(({ name }) => name.startsWith(role)).reduce((sum, { count }) => sum + count, 0);
  return {
    "open runs": runs.open,
    "overdue runs": runs.overdue,
    "table of open runs": tables["open"]! / MEGABYTE,
    "table of tasks": tables["tasks"]! / MEGABYTE,
    "other tables": tables["others"]! / MEGABYTE,
    "days' tables": tables["days"]! / MEGABYTE,
    "dead rows": tables["dead"]!,
    partitions: tables["partitions"]!,
    "api connections": countOf("bellhop-api"),
    "scheduler connections": countOf("bellhop-scheduler"),
    "worker connections": countOf("bellhop-worker"),
  };
}

/** Of a role, and of what it started: a worker's executors. */
function readProcess(name: string, pid: number): Record<string, number> {
  const started = descendantsOf(pid);
  return {
    [`${name} memory`]: ownMegabytes(pid),
    [`${name} descriptors`]: countDescriptors(pid),
    ...(name === "worker"
      ? { "executors memory": started.reduce((sum, child) => sum + ownMegabytes(child), 0) }
      : {}),
  };
}

/**
 * What a process has taken for itself, in memory or swapped out. Its files' pages are left out: the kernel drops them when
 * it likes, and reads them again when they are asked for, so that they seem to grow.
 */
function ownMegabytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const kilobytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
    return ((kilobytes("RssAnon") + kilobytes("VmSwap")) * 1_024) / MEGABYTE;
  } catch {
    return 0;
  }
}

function countDescriptors(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** By name, over all labels. */
async function readMetrics(port: number): Promise<Map<string, number>> {
  const { body } = await request(`http://127.0.0.1:${port}/metrics`);
  const totals = new Map<string, number>();
  for (const [, name, value] of (await body.text()).matchAll(/^([a-z_]+)(?:\{.*\})? (\S+)$/gm))
    totals.set(name!, (totals.get(name!) ?? 0) + Number(value));
  return totals;
}

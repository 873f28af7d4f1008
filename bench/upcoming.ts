/**
 * What the instants to come cost among many tasks, on the database alone: pages of `GET /v1/upcoming`, and the figures
 * that a scheduler reads every five seconds. Prints medians.
 *
 *     node bench/upcoming.ts [--tasks 1000000] [--rounds 5]
 */
import { parseArgs } from "node:util";
import pg from "pg";
import type { Schedule } from "../core/domain/schedule/schedule.ts";
import { openStore, type Store } from "../core/store/database.ts";
import { readDemand } from "../core/store/demand.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { readStats } from "../core/store/stats.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { listUpcoming, type UpcomingPosition } from "../core/store/tasks/upcoming.ts";
import { httpTask } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { spreadOf } from "./stats.ts";

const DAY_MS = 86_400_000;
const PAGE = 51;

const { values: options } = parseArgs({
  options: {
    tasks: { type: "string", default: "1000000" },
    rounds: { type: "string", default: "5" },
  },
});
const count = Number(options.tasks);
const midnightMs = Math.ceil(Date.now() / DAY_MS) * DAY_MS;

interface Shape {
  schedule: Schedule;
  /** When the task of a number fires next, in SQL. */
  nextRunAt: string;
}

/** All fire within a day. */
const SHAPES: Record<string, Shape> = {
  "daily, spread over the day": {
    schedule: { kind: "every", everyMs: DAY_MS },
    nextRunAt: `now() + n * interval '1 day' / ${count}`,
  },
  "daily, all at midnight": {
    schedule: { kind: "cron", expression: "0 0 * * *", timezone: "UTC" },
    nextRunAt: `to_timestamp(${midnightMs / 1_000})`,
  },
  "once, spread over the day": {
    schedule: { kind: "delay", delayMs: DAY_MS },
    nextRunAt: `now() + n * interval '1 day' / ${count}`,
  },
};

async function fill(store: Store, namespaceId: string, { schedule, nextRunAt }: Shape): Promise<void> {
  const { task } = await createTask(store, { namespaceId, input: httpTask(schedule), now: new Date() });
  // It may take minutes, which no session of ours may.
  const client = new pg.Client({ connectionString: server.address });
  await client.connect();
  await client.query(
    `INSERT INTO tasks SELECT made.* FROM tasks t,
      (SELECT gen_random_uuid() AS id, date_trunc('milliseconds', ${nextRunAt}) AS at FROM generate_series(1, ${count - 1}) AS n OFFSET 0) AS other,
      jsonb_populate_record(t, jsonb_build_object('id', other.id, 'next_run_at', other.at)) AS made
     WHERE t.id = $1`,
    [task.id],
  );
  await client.query("VACUUM ANALYZE tasks");
  await client.end();
}

async function time(what: string, work: () => Promise<unknown>): Promise<void> {
  const tookMs: number[] = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    const beganMs = performance.now();
    await work();
    tookMs.push(performance.now() - beganMs);
  }
  const { p50, min, max } = spreadOf(tookMs);
  console.log(`  ${what.padEnd(34)} median ${String(p50).padStart(9)} ms  (min ${min}, max ${max})`);
}

async function measure(store: Store, name: string, shape: Shape): Promise<void> {
  const namespaceId = await ensureNamespace(store.db, name.replaceAll(/\W+/g, "-"));
  await fill(store, namespaceId, shape);
  console.log(`${count} active tasks: ${name}`);
  const until = new Date(midnightMs + DAY_MS);
  const page = (after?: UpcomingPosition) => listUpcoming(store, namespaceId, until, after, PAGE);
  await time("first page of 50", () => page());
  for (const share of [0.01, 0.5]) {
    const { rows } = await store.pool.query<{ atMs: number; taskId: string }>(
      `SELECT extract(epoch FROM next_run_at)::float8 * 1000 AS "atMs", id AS "taskId" FROM tasks
       WHERE namespace_id = $1 ORDER BY next_run_at, id OFFSET $2 LIMIT 1`,
      [namespaceId, Math.floor(count * share)],
    );
    const [position] = rows;
    await time(`page after ${Math.floor(count * share)} instants`, () => page(position));
  }
  await time("figures of the database", () => readStats(store));
  for (const [within, aheadMs] of Object.entries({ "2 s": 2_000, "a day": 2 * DAY_MS }))
    await time(`demand, ${within} ahead`, () => readDemand(store, aheadMs));
  await store.pool.query("TRUNCATE tasks CASCADE");
}

const server = await startTestPostgres();
const store = openStore({
  ...{ databaseUrl: server.address, applicationName: "bench", maxConnections: 1 },
  onError: console.error,
});
try {
  await migrateUp(store);
  for (const [name, shape] of Object.entries(SHAPES)) await measure(store, name, shape);
} finally {
  await store.close();
  await server.stop();
}

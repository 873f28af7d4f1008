/**
 * First pages of filtered lists of runs, on the database alone, over ninety days of runs that SQL makes in day partitions
 * as in production: most succeeded, some that failed, few of what is rare.
 *
 *     node bench/filters.ts [--runs 10000000] [--rounds 9]
 */
import { parseArgs } from "node:util";
import pg from "pg";
import type { RunFilter } from "../core/contracts/run-filter.ts";
import { openStore, type Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { ensurePartitions } from "../core/store/partitions.ts";
import { estimateRuns, listRuns } from "../core/store/runs/read.ts";
import { deployFunction } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { spreadOf } from "./stats.ts";

const DAYS = 90;
const DAY_MS = 86_400_000;
const PAGE = 50;

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "10000000" }, rounds: { type: "string", default: "9" } },
});
const perDay = Math.ceil(Number(options.runs) / DAYS);
const rounds = Number(options.rounds);

interface Made {
  namespaceId: string;
  functionIds: string[];
  taskIds: string[];
  workerIds: string[];
  rareTaskId: string;
}

// Of ten thousand runs a hundred failed in one of two ways, ten were started by hand, one was cancelled.
const MAKE_DAY = `
  INSERT INTO task_runs (id, finished_at, namespace_id, task_id, function_id, type, trigger, state, scheduled_for,
    available_at, queued_at, started_at, worker_id, error, attempts, result)
  SELECT uuidv7(at - clock_timestamp()), least(at + interval '1 second', $2::timestamptz + interval '1 day' - interval '1 ms'),
    $1, CASE WHEN i % 4000 = 7 THEN $6::uuid WHEN i % 2 = 0 THEN ($4::uuid[])[1 + i % 1000] END,
    CASE WHEN i % 2 = 1 AND i % 4000 <> 7 THEN ($3::uuid[])[1 + i % 100] END,
    CASE WHEN i % 2 = 0 OR i % 4000 = 7 THEN 'http' ELSE 'function' END,
    CASE WHEN i % 1000 = 2 THEN 'manual' WHEN i % 2 = 0 OR i % 4000 = 7 THEN 'schedule' WHEN i % 10 = 1 THEN 'hook' ELSE 'invoke' END,
    CASE WHEN i % 100 IN (3, 4) THEN 'failed' WHEN i % 10000 = 5 THEN 'cancelled' WHEN i % 10000 = 6 THEN 'expired' ELSE 'succeeded' END,
    at, at, at, at, ($5::uuid[])[1 + i % 20],
    CASE WHEN i % 10000 = 3 THEN '{"code":"timeout","message":"It took too long."}'::jsonb
      WHEN i % 100 IN (3, 4) THEN '{"code":"http_status","message":"The server answered 503."}'::jsonb END,
    jsonb_build_array(jsonb_build_object('attempt', 1, 'startedAt', at, 'finishedAt', at, 'error', NULL)), '{"ok":true}'
  FROM generate_series(1, $7::int) AS i, LATERAL (SELECT $2::timestamptz + i * (interval '1 day' / ($7::int + 1)) AS at) AS t`;

async function fill(store: Store): Promise<Made> {
  const namespaceId = await ensureNamespace(store.db, "bench");
  const functionIds: string[] = [];
  for (let index = 0; index < 100; index += 1)
    functionIds.push(await deployFunction(store.db, namespaceId, `f${index}`));
  const ids = (count: number) => Array.from({ length: count }, () => newId());
  const made = {
    ...{ namespaceId, functionIds },
    ...{ taskIds: ids(1_000), workerIds: ids(20), rareTaskId: newId() },
  };
  const today = Date.now() - (Date.now() % DAY_MS);
  for (let back = DAYS; back >= 1; back -= 1) {
    const day = new Date(today - back * DAY_MS);
    await ensurePartitions(store.db, day);
    const { workerIds, rareTaskId, taskIds } = made;
    const values = [namespaceId, day, functionIds, taskIds, workerIds, rareTaskId, perDay];
    await store.pool.query(MAKE_DAY, values);
    if (back % 10 === 0) console.log(`${new Date().toISOString()} ${back} days left to make`);
  }
  await ensurePartitions(store.db, new Date());
  // It takes longer than a statement of ours may.
  const client = new pg.Client({ connectionString: server.address });
  await client.connect();
  await client.query("VACUUM ANALYZE");
  await client.end();
  return made;
}

function listFilters({ taskIds, workerIds, rareTaskId }: Made): [string, RunFilter][] {
  const monthAgo = new Date(Date.now() - 30 * DAY_MS);
  return [
    ["none", {}],
    ["state=succeeded", { state: ["succeeded"] }],
    ["state=failed", { state: ["failed"] }],
    ["state=cancelled, one of 10,000", { state: ["cancelled"] }],
    ["state=dead, none", { state: ["dead"] }],
    ["state=failed,cancelled,expired", { state: ["failed", "cancelled", "expired"] }],
    ["taskId", { taskId: taskIds[2]! }],
    ["taskId, rare", { taskId: rareTaskId }],
    ["function", { function: "f7" }],
    ["function, of which there is none", { function: "nobody" }],
    ["trigger=schedule", { trigger: "schedule" }],
    ["trigger=manual, one of 1,000", { trigger: "manual" }],
    ["trigger=hook", { trigger: "hook" }],
    ["errorCode=http_status", { errorCode: "http_status" }],
    ["errorCode=timeout, one of 10,000", { errorCode: "timeout" }],
    ["errorCode, of which there is none", { errorCode: "nothing" }],
    ["worker", { worker: workerIds[3]! }],
    ["worker, of which there is none", { worker: newId() }],
    ["to a month ago", { to: monthAgo }],
    ["from a month ago", { from: monthAgo }],
  ] as [string, RunFilter][];
}

async function clock(work: () => Promise<unknown>): Promise<string> {
  const ms: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const began = performance.now();
    await work();
    if (round > 0) ms.push(performance.now() - began);
  }
  const { p50, min, max } = spreadOf(ms);
  return `${p50.toFixed(1).padStart(6)} (${min.toFixed(1)}–${max.toFixed(1)})`;
}

const server = await startTestPostgres();
const store = openStore({
  ...{ databaseUrl: server.address, applicationName: "bench", maxConnections: 2 },
  onError: console.error,
});
try {
  await migrateUp(store);
  const made = await fill(store);
  console.log(
    `first page of ${PAGE} of ${perDay * DAYS} finished runs in ${DAYS} days, ms, median and spread of ${rounds}`,
  );
  console.log(`  ${"".padEnd(40)} newest first            oldest first            count=estimate`);
  for (const [title, filter] of listFilters(made)) {
    const list = (order: "asc" | "desc") =>
      clock(() => listRuns(store, made.namespaceId, filter, { limit: PAGE, order }));
    const told = [
      await list("desc"),
      await list("asc"),
      await clock(() => estimateRuns(store, made.namespaceId, filter)),
    ];
    console.log(`  ${title.padEnd(40)} ${told.map((each) => each.padEnd(23)).join(" ")}`);
  }
} finally {
  await store.close();
  await server.stop();
}

/**
 * What a bulk action takes from others: claims and finishes of a steady load, on the database alone, while nothing else
 * goes on and while a scheduler of its own process drives a bulk action, in turns. Latency is that of a claim at a fixed
 * pace; throughput that of one worker which claims and finishes as fast as it can.
 *
 *     node bench/bulk-load.ts [--rounds 7] [--things 150000]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../core/clock.ts";
import { FUNCTION_CAP_SETTINGS, toFunctionCaps } from "../core/config/function-caps.ts";
import { readSettings } from "../core/config/settings.ts";
import type { BulkResource } from "../core/domain/bulk.ts";
import { createRunEnds } from "../core/run-ends/run-ends.ts";
import { abortBulk, createBulk, findBulk } from "../core/store/bulk/bulk-actions.ts";
import { openStore, type Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { claimRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { finished, httpTask, makeWorker } from "../core/store/testing/samples.ts";
import { inTransaction } from "../core/store/transaction.ts";
import { createLogger } from "../core/telemetry/log.ts";
import { driveBulkActions } from "../scheduler/drive-bulk.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { spreadOf } from "./stats.ts";

const PACED = { claims: 120, everyMs: 25, runs: 10 };
const FLAT_OUT = { claims: 60, everyMs: 0, runs: 50 };

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    things: { type: "string", default: "150000" },
    drive: { type: "string" },
  },
});

const open = (databaseUrl: string, maxConnections = 2) =>
  openStore({ databaseUrl, applicationName: "bench", maxConnections, onError: console.error });

/** The scheduler's part, in a process of its own, as it is. */
async function drive(databaseUrl: string): Promise<void> {
  const store = open(databaseUrl);
  const context = {
    ...{ store, clock: systemClock },
    functionCaps: toFunctionCaps(readSettings(FUNCTION_CAP_SETTINGS, {})),
    transport: { async ring() {} },
    notifier: { notify() {}, async flush() {} },
    ends: createRunEnds([], console.error),
    log: createLogger("scheduler", "silent"),
  };
  for (;;) {
    await driveBulkActions(context, new AbortController().signal);
    await wait(20);
  }
}

const QUEUE = `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at,
    queued_at, timeout_ms)
  SELECT gen_random_uuid(), $1, gen_random_uuid(), 'http', 'manual', 'queued', now(), now(), now(), 1000
  FROM generate_series(1, $2::int) RETURNING id`;

interface Load {
  claims: number;
  everyMs: number;
  runs: number;
}

/** Milliseconds of each claim, and how many runs a second were claimed and finished. */
async function load(store: Store, namespaceId: string, { claims, everyMs, runs }: Load) {
  const workerId = await makeWorker(store.db);
  const queued = await store.pool.query<{ id: string }>(QUEUE, [namespaceId, claims * runs]);
  const ids = queued.rows.map(({ id }) => id);
  const claimMs: number[] = [];
  const began = performance.now();
  for (let nth = 0; nth < claims; nth += 1) {
    const dueMs = began + nth * everyMs - performance.now();
    if (dueMs > 0) await wait(dueMs);
    const claimBegan = performance.now();
    const claimed = await claimRuns(store, workerId, ids.slice(nth * runs, (nth + 1) * runs));
    claimMs.push(performance.now() - claimBegan);
    const ends = claimed.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
    await finishAttempts(store, workerId, ends);
    if (claimed.length !== runs) throw new Error(`claimed ${claimed.length} of ${runs} runs`);
  }
  return {
    claimMs: spreadOf(claimMs).p50,
    lateMs: spreadOf(claimMs).p99,
    perSecond: (claims * runs * 1_000) / (performance.now() - began),
  };
}

/** As many tasks that fire each hour, or runs that wait until then. */
async function fill(store: Store, namespaceId: string, resource: BulkResource, count: number): Promise<void> {
  const input = httpTask({ kind: "every", everyMs: 3_600_000 });
  const { task } = await createTask(store, { namespaceId, input, now: new Date() });
  const copies = {
    tasks: `INSERT INTO tasks SELECT made.* FROM tasks t, unnest($2::uuid[]) AS other(id),
      jsonb_populate_record(t, jsonb_build_object('id', other.id)) AS made WHERE t.id = $1`,
    runs: `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at, queued_at)
      SELECT other.id, t.namespace_id, t.id, 'http', 'manual', 'queued', now(), now() + interval '1 hour', now()
      FROM tasks t, unnest($2::uuid[]) AS other(id) WHERE t.id = $1`,
  };
  const most = 50_000;
  for (let left = count; left > 0; left -= most)
    await store.pool.query(copies[resource], [task.id, Array.from({ length: Math.min(left, most) }, newId)]);
}

async function measure(url: string, resource: BulkResource): Promise<void> {
  const store = open(url);
  const [steady, bulky] = [
    await ensureNamespace(store.db, "steady"),
    await ensureNamespace(store.db, `bulky-${resource}`),
  ];
  await fill(store, bulky, resource, Number(options.things));
  await store.pool.query("VACUUM ANALYZE");
  const figures = new Map<string, number[]>();
  const note = (name: string, value: number) => figures.set(name, [...(figures.get(name) ?? []), value]);
  let done = 0;
  let bulkMs = 0;
  // The first round warms all up.
  for (let round = 0; round <= Number(options.rounds); round += 1)
    for (const isDriven of round % 2 === 0 ? [false, true] : [true, false]) {
      const id = newId();
      const asked = {
        action: "cancel",
        resource,
        filter: resource === "tasks" ? { state: ["active"] } : {},
      } as const;
      if (isDriven)
        await inTransaction(store.pool, (tx) =>
          createBulk(tx, { id, namespaceId: bulky, ...asked, traceparent: undefined }),
        );
      const began = performance.now();
      const [paced, flatOut] = [await load(store, steady, PACED), await load(store, steady, FLAT_OUT)];
      const tookMs = performance.now() - began;
      if (isDriven) {
        if ((await findBulk(store, bulky, id))?.state !== "running")
          throw new Error("it was over too soon: give more --things");
        done += (await abortBulk(store, bulky, id))!.done;
        bulkMs += tookMs;
      }
      if (round === 0) continue;
      const how = isDriven ? "with" : "without";
      note(`claim p50, ms, ${how}`, paced.claimMs);
      note(`claim p99, ms, ${how}`, paced.lateMs);
      note(`runs a second, ${how}`, flatOut.perSecond);
    }
  console.log(
    `a bulk cancel of ${resource}, ${Math.round((done * 1_000) / bulkMs)} a second beside the load; medians of ${options.rounds} rounds`,
  );
  for (const what of ["claim p50, ms", "claim p99, ms", "runs a second"]) {
    const [without, with_] = ["without", "with"].map(
      (how) => spreadOf(figures.get(`${what}, ${how}`)!).p50,
    ) as [number, number];
    console.log(
      `  ${what.padEnd(14)}  without ${without}  with ${with_}  ${Math.round((with_ / without - 1) * 100)} %`,
    );
  }
  await store.close();
}

if (options.drive !== undefined) await drive(options.drive);
const server = await startTestPostgres();
const owner = open(server.address);
await migrateUp(owner);
await owner.close();
const driver = spawn(
  process.execPath,
  [...process.execArgv, import.meta.filename, "--drive", server.address],
  {
    stdio: "inherit",
  },
);
try {
  for (const resource of ["tasks", "runs"] as const) await measure(server.address, resource);
} finally {
  driver.kill();
  await once(driver, "exit");
  await server.stop();
}

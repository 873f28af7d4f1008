/**
 * Whether costs stay flat: staging, claims, finishes, pages of lists and the scheduler's looks, on the database alone, and
 * how late runs start with a scheduler and a worker; among few tasks, finished runs and namespaces, and again among very
 * many. Costs are what the database server's process runs, medians; lateness is by the clock.
 *
 *     node bench/flat.ts [--tasks 10000000] [--runs 10000000] [--namespaces 10000] [--rounds 9] [--punctual 200]
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { RunFilter } from "../core/contracts/run-filter.ts";
import type { TaskFilter } from "../core/contracts/task-filter.ts";
import { openStore, type Store } from "../core/store/database.ts";
import { readDemand } from "../core/store/demand.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { lookAround } from "../core/store/look-around.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { type ClaimedRun, claimDueRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { findNextInstants } from "../core/store/runs/next-instants.ts";
import { listRuns } from "../core/store/runs/read.ts";
import { stageOccurrences } from "../core/store/runs/stage.ts";
import { readStats } from "../core/store/stats.ts";
import { createTask } from "../core/store/tasks/create.ts";
import { listTasks } from "../core/store/tasks/read.ts";
import { listUpcoming } from "../core/store/tasks/upcoming.ts";
import { finished, httpTask, makeWorker } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import {
  DAY_MS,
  DAYS,
  makeDueTasks,
  makeNamespaces,
  makeRunOwners,
  makeRuns,
  makeTasks,
  type RunOwners,
} from "./fill-database.ts";
import { readServerUs } from "./process-times.ts";
import { startRole } from "./role-process.ts";
import { spreadOf } from "./stats.ts";

const { values: options } = parseArgs({
  options: {
    tasks: { type: "string", default: "10000000" },
    runs: { type: "string", default: "10000000" },
    namespaces: { type: "string", default: "10000" },
    rounds: { type: "string", default: "9" },
    punctual: { type: "string", default: "200" },
  },
});
const FEW = { tasks: 100_000, runs: 90_000, namespaces: 100 };
const MANY = {
  ...{ tasks: Number(options.tasks), runs: Number(options.runs), namespaces: Number(options.namespaces) },
};
const rounds = Number(options.rounds);
const punctual = Number(options.punctual);
const BATCH = 100;
const PAGE = { limit: 50, order: "desc" as const };
/** Those of the benchmark begin in so long, as many a second. */
const BEGIN_MS = 3_000;
const PER_SECOND = 20;

/** Very many rows are filled in, and found, in memory. */
const LARGE = { shared_buffers: "4GB", maintenance_work_mem: "1GB", max_wal_size: "16GB" };
const server = await startTestPostgres(undefined, LARGE);
const open = (applicationName: string) =>
  openStore({
    ...{ databaseUrl: server.address, applicationName, maxConnections: 1, onError: console.error },
  });
const owner = open("owner");
/** What is measured, and where. */
interface Ground {
  /** The first one has half of all rows; the last ones few. */
  namespaceIds: string[];
  owners: RunOwners;
}

type Measure = (what: string, work: () => Promise<unknown>, items?: number) => Promise<void>;

/** What each thing costs, in microseconds of the server's process; medians. */
async function measureCosts({ namespaceIds, owners }: Ground): Promise<Map<string, number>> {
  const name = newId();
  const store = open(name);
  const took: { what: string; us: number; round: number }[] = [];
  // One round more: the first one plans, and reads what those after it find in memory.
  for (let round = 0; round <= rounds; round += 1) {
    const measure: Measure = async (what, work, items = 1) => {
      const beforeUs = await readServerUs(owner.pool, name);
      await work();
      took.push({ what, us: ((await readServerUs(owner.pool, name)) - beforeUs) / items, round });
    };
    await measureRuns(store, namespaceIds.slice(0, 50), measure);
    await measureLists(store, namespaceIds, owners, measure);
    await measureLooks(store, measure);
  }
  await store.close();
  const kept = Map.groupBy(
    took.filter(({ round }) => round > 0),
    ({ what }) => what,
  );
  return new Map([...kept].map(([what, all]) => [what, spreadOf(all.map(({ us }) => us)).p50]));
}

async function measureRuns(store: Store, namespaceIds: string[], measure: Measure): Promise<void> {
  const now = new Date();
  await makeDueTasks(owner, namespaceIds, now, BATCH);
  const workerId = await makeWorker(owner.db);
  await measure("staging, a run", () => stageOccurrences(store, now, now, 2 * BATCH), BATCH);
  let runs: ClaimedRun[] = [];
  const claim = async () => {
    ({ runs } = await claimDueRuns(store, workerId, 2 * BATCH, 0));
  };
  await measure("claim, a run", claim, BATCH);
  if (runs.length !== BATCH) throw new Error(`${runs.length} runs were claimed, of ${BATCH}`);
  const ends = runs.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
  await measure("finish, a run", () => finishAttempts(store, workerId, ends), BATCH);
}

/** First pages, newest first. */
async function measureLists(
  store: Store,
  namespaceIds: string[],
  { taskIds }: RunOwners,
  measure: Measure,
): Promise<void> {
  const [large, small] = [namespaceIds[0]!, namespaceIds.at(-1)!];
  const inTwoWeeks = new Date(Date.now() + 14 * DAY_MS);
  const tasks: [string, string, TaskFilter][] = [
    ["tasks", large, {}],
    ["tasks of a small namespace", small, {}],
    ["tasks, state=active", large, { state: ["active"] }],
    ["tasks, state=paused, one of 1,000", large, { state: ["paused"] }],
    ["tasks, nextBefore", large, { nextBefore: inTwoWeeks }],
  ];
  for (const [what, namespaceId, filter] of tasks)
    await measure(`list of ${what}`, () => listTasks(store, namespaceId, filter, PAGE));
  const runs: [string, string, RunFilter][] = [
    ["runs", large, {}],
    ["runs of a small namespace", small, {}],
    ["runs, state=failed", large, { state: ["failed"] }],
    ["runs, state=cancelled, one of 10,000", large, { state: ["cancelled"] }],
    ["runs, taskId", large, { taskId: taskIds[2]! }],
    ["runs, trigger=manual, one of 1,000", large, { trigger: "manual" }],
    ["runs, errorCode=http_status", large, { errorCode: "http_status" }],
  ] as [string, string, RunFilter][];
  for (const [what, namespaceId, filter] of runs)
    await measure(`list of ${what}`, () => listRuns(store, namespaceId, filter, PAGE));
  const until = new Date(Date.now() + 400 * DAY_MS);
  await measure("upcoming instants", () => listUpcoming(store, large, until, undefined, PAGE.limit));
}

async function measureLooks(store: Store, measure: Measure): Promise<void> {
  await measure("the next instant", () => findNextInstants(store));
  await measure("what goes on", () => lookAround(store));
  await measure("demand", () => readDemand(store, 2_000));
  await measure("figures for metrics", () => readStats(store));
}

/** Milliseconds, the median and the 99th percentile, of runs that are due one after another. */
async function measureLateness(namespaceId: string, url: string): Promise<Map<string, number>> {
  await using roles = new AsyncDisposableStack();
  const env = {
    ...{ PATH: process.env["PATH"], DATABASE_URL: server.address, PORT: "0", HOST: "127.0.0.1" },
    EGRESS_ALLOW: "127.0.0.0/8",
  };
  for (const file of ["scheduler/main.ts", "runtime/main.ts"]) {
    // What they warn of is that the database is one for tests.
    const role = await startRole(file, env, undefined, ({ gaps }) => gaps !== undefined);
    roles.defer(() => role.stop());
  }
  const firstMs = Date.now() + BEGIN_MS;
  const taskIds: string[] = [];
  for (let index = 0; index < punctual; index += 1) {
    const at = new Date(firstMs + (index * 1_000) / PER_SECOND).toISOString();
    const input = httpTask({ kind: "once", at });
    const spec = { ...input.spec, url } as typeof input.spec;
    const { task } = await createTask(owner, { namespaceId, input: { ...input, spec }, now: new Date() });
    taskIds.push(task.id);
  }
  if (Date.now() > firstMs) throw new Error("This machine makes tasks too slowly: lower --punctual.");
  for (;;) {
    const { rows } = await owner.pool.query<{ lateMs: number; error: unknown }>(
      `SELECT extract(epoch FROM started_at - scheduled_for)::float8 * 1000 AS "lateMs", error FROM task_runs
       WHERE task_id = ANY($1) AND finished_at BETWEEN now() - interval '1 hour' AND now()`,
      [taskIds],
    );
    if (rows.length === punctual) {
      const failed = rows.find(({ error }) => error !== null);
      if (failed) throw new Error(`A run failed: ${JSON.stringify(failed.error)}`);
      const { p50, p99 } = spreadOf(rows.map(({ lateMs }) => lateMs));
      return new Map([
        ["lateness, p50 (ms)", p50],
        ["lateness, p99 (ms)", p99],
      ]);
    }
    await delay(500);
  }
}

async function measureAll(ground: Ground, sinkUrl: string): Promise<Map<string, number>> {
  const costs = await measureCosts(ground);
  return new Map([...costs, ...(await measureLateness(ground.namespaceIds[0]!, sinkUrl))]);
}

async function fill(ground: Ground, from: typeof FEW, to: typeof FEW): Promise<void> {
  const { namespaceIds, owners } = ground;
  namespaceIds.push(...(await makeNamespaces(owner, from.namespaces, to.namespaces)));
  await makeTasks(server.address, namespaceIds, to.tasks - from.tasks);
  await makeRuns(owner, server.address, namespaceIds, owners, Math.ceil((to.runs - from.runs) / DAYS));
}

function print(few: Map<string, number>, many: Map<string, number>): void {
  const told = ({ tasks, runs, namespaces }: typeof FEW) =>
    `${tasks} tasks, ${runs} finished runs, ${namespaces} namespaces`;
  console.log(`few: ${told(FEW)}; many: ${told(MANY)}; medians of ${rounds}, µs unless said otherwise`);
  console.log(`  ${"".padEnd(45)} ${"few".padStart(10)} ${"many".padStart(10)}  ratio`);
  for (const [what, of] of few) {
    const now = many.get(what)!;
    const figures = [of, now].map((each) => each.toFixed(1).padStart(10)).join(" ");
    console.log(`  ${what.padEnd(45)} ${figures}  ${(now / of).toFixed(2)}`);
  }
}

const sink = createServer((incoming, response) => {
  incoming.resume();
  response.end("ok");
});
try {
  sink.listen(0, "127.0.0.1");
  await once(sink, "listening");
  const sinkUrl = `http://127.0.0.1:${(sink.address() as AddressInfo).port}/`;
  await migrateUp(owner);
  const namespaceId = await ensureNamespace(owner.db, "bench");
  const ground = { namespaceIds: [namespaceId], owners: await makeRunOwners(owner, namespaceId) };
  await fill(ground, { tasks: 0, runs: 0, namespaces: 1 }, FEW);
  const few = await measureAll(ground, sinkUrl);
  await fill(ground, FEW, MANY);
  print(few, await measureAll(ground, sinkUrl));
} finally {
  sink.close();
  await owner.close();
  await server.stop();
}

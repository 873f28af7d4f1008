/**
 * Claim and finish on the database alone, of this checkout and of another one, in turns on one database: 10,000 runs a
 * round, of a function without a limit, of one with a limit far above the load, and of an http task. What counts is the
 * processor time of the server's process and of this one; the clock is told besides.
 *
 *     node bench/claims.ts --against ../other-checkout [--runs 10000] [--batch 100] [--rounds 7]
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Store } from "../core/store/database.ts";
import { openStore } from "../core/store/database.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { FinishedAttempt } from "../core/store/runs/finish.ts";
import { deployFunction, finished, makeWorker } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { spreadOf } from "./stats.ts";

const ROOT = join(import.meta.dirname, "..");
const HIGH_LIMIT = 1_000_000;

interface Side {
  name: string;
  store: Store;
  /** The server's process behind the store's only connection. */
  serverPid: number;
  claim(workerId: string, runIds: string[]): Promise<ClaimedRun[]>;
  finish(workerId: string, attempts: FinishedAttempt[]): Promise<unknown>;
  /** What a release that counts runs does after each end of a function with a limit. */
  afterLimited(functionId: string): Promise<unknown>;
}

interface Figures {
  serverUs: number;
  clientUs: number;
  wallUs: number;
}

const { values: options } = parseArgs({
  options: {
    against: { type: "string" },
    runs: { type: "string", default: "10000" },
    batch: { type: "string", default: "100" },
    rounds: { type: "string", default: "7" },
  },
});
if (!options.against) throw new Error("--against names the other checkout");
const [runs, batch, rounds] = [Number(options.runs), Number(options.batch), Number(options.rounds)];

async function openSide(name: string, root: string, databaseUrl: string): Promise<Side> {
  const load = (path: string) => import(join(root, path));
  const [{ claimRuns }, { finishAttempts }] = await Promise.all([
    load("core/store/runs/claim.ts"),
    load("core/store/runs/finish.ts"),
  ]);
  const room = await load("core/store/runs/room.ts").catch(() => undefined);
  const store = openStore({ databaseUrl, applicationName: name, maxConnections: 1, onError: console.error });
  const { rows } = await store.pool.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return {
    ...{ name, store, serverPid: rows[0]!.pid },
    claim: (workerId, runIds) => claimRuns(store, workerId, runIds),
    finish: (workerId, attempts) => finishAttempts(store, workerId, attempts),
    afterLimited: async (functionId) => room?.offerRoom(store, [functionId]),
  };
}

/** What the process has run so far, in microseconds. */
function processorUs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1_000;
}

const QUEUE = `INSERT INTO task_runs_open (id, namespace_id, task_id, function_id, type, trigger, state, scheduled_for,
    available_at, queued_at, timeout_ms, limit_keys)
  SELECT gen_random_uuid(), $1, CASE WHEN $2::uuid IS NULL THEN gen_random_uuid() END, $2,
    CASE WHEN $2::uuid IS NULL THEN 'http' ELSE 'function' END, 'manual', 'queued', now(), now(), now(), 1000,
    CASE WHEN $2::uuid IS NOT NULL THEN ARRAY['function:' || $2] END
  FROM generate_series(1, $3::int) RETURNING id`;

async function measure(side: Side, namespaceId: string, functionId: string | null, isLimited: boolean) {
  const { store } = side;
  await store.pool.query("DELETE FROM task_runs");
  const { rows } = await store.pool.query<{ id: string }>(QUEUE, [namespaceId, functionId, runs]);
  await store.pool.query("VACUUM ANALYZE");
  const workerId = await makeWorker(store.db);
  const before = { server: processorUs(side.serverPid), client: process.cpuUsage(), wall: performance.now() };
  let done = 0;
  for (let at = 0; at < rows.length; at += batch) {
    const claimed = await side.claim(
      workerId,
      rows.slice(at, at + batch).map(({ id }) => id),
    );
    await side.finish(
      workerId,
      claimed.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
    );
    if (isLimited) await side.afterLimited(functionId!);
    done += claimed.length;
  }
  if (done !== runs) throw new Error(`${side.name} ran ${done} of ${runs} runs`);
  const client = process.cpuUsage(before.client);
  return {
    serverUs: (processorUs(side.serverPid) - before.server) / runs,
    clientUs: (client.user + client.system) / runs,
    wallUs: ((performance.now() - before.wall) * 1_000) / runs,
  };
}

const server = await startTestPostgres();
const opened: Side[] = [];
try {
  const owner = openStore({
    databaseUrl: server.address,
    applicationName: "bench",
    maxConnections: 2,
    onError: console.error,
  });
  await migrateUp(owner);
  const namespaceId = await ensureNamespace(owner.db, "bench");
  const functions: [string, string | null, boolean][] = [
    ["http task", null, false],
    ["function without a limit", await deployFunction(owner.db, namespaceId, "free"), false],
    [
      "function with a limit far above the load",
      await deployFunction(owner.db, namespaceId, "limited", { concurrency: HIGH_LIMIT }),
      true,
    ],
  ];
  await owner.close();
  for (const [name, root] of [
    ["other", resolve(options.against)],
    ["this", ROOT],
  ] as const)
    opened.push(await openSide(name, root, server.address));
  const figures = new Map<string, Figures[]>();
  // The first round warms all up.
  for (let round = 0; round <= rounds; round += 1)
    for (const [title, functionId, isLimited] of functions)
      for (const side of round % 2 === 0 ? opened : opened.toReversed()) {
        const measured = await measure(side, namespaceId, functionId, isLimited);
        const name = `${title}, ${side.name}`;
        if (round > 0) figures.set(name, [...(figures.get(name) ?? []), measured]);
      }
  console.log(`µs a run, medians of ${rounds} rounds of ${runs} runs in batches of ${batch}`);
  for (const [name, all] of [...figures].toSorted()) {
    const median = (key: keyof Figures) => spreadOf(all.map((each) => each[key])).p50.toFixed(1);
    const told = `server ${median("serverUs")}  client ${median("clientUs")}  wall ${median("wallUs")}`;
    console.log(`  ${name.padEnd(46)}  ${told}`);
  }
} finally {
  for (const { store } of opened) await store.close();
  await server.stop();
}

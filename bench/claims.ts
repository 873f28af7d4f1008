/**
 * Claim and finish, and the record of a direct call, on the database alone, of this checkout and of another one, in turns
 * on one database: runs of a function without a limit, of one with a limit far above the load, and of an http task. What
 * counts is the processor time of the server's process and of this one; the clock is told besides. The least of all
 * rounds is what a busy machine disturbs least.
 *
 *     node bench/claims.ts --against ../other-checkout [--runs 10000] [--batch 100] [--rounds 7]
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Store } from "../core/store/database.ts";
import { openStore } from "../core/store/database.ts";
import { findFunction } from "../core/store/functions/functions.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { FinishedDirectRun } from "../core/store/runs/direct.ts";
import type { FinishedAttempt } from "../core/store/runs/finish.ts";
import { deployFunction, finished, makeWorker } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { readServerUs } from "./process-times.ts";
import { spreadOf } from "./stats.ts";

const ROOT = join(import.meta.dirname, "..");
const HIGH_LIMIT = 1_000_000;

interface Side {
  name: string;
  store: Store;
  /** Names the server's processes behind its connections: which of them does what is the checkout's affair. */
  applicationName: string;
  claim(workerId: string, runIds: string[]): Promise<ClaimedRun[]>;
  finish(workerId: string, attempts: FinishedAttempt[]): Promise<unknown>;
  recordDirect(workerId: string, runs: FinishedDirectRun[]): Promise<unknown>;
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
  const [{ openStore }, { claimRuns }, { finishAttempts }, { recordDirectRuns }] = await Promise.all([
    load("core/store/database.ts"),
    load("core/store/runs/claim.ts"),
    load("core/store/runs/finish.ts"),
    load("core/store/runs/direct.ts"),
  ]);
  const room = await load("core/store/runs/room.ts").catch(() => undefined);
  const applicationName = newId();
  const store = openStore({ databaseUrl, applicationName, maxConnections: 1, onError: console.error });
  return {
    ...{ name, store, applicationName },
    recordDirect: (workerId, runs) => recordDirectRuns(store, workerId, runs),
    claim: (workerId, runIds) => claimRuns(store, workerId, runIds),
    finish: (workerId, attempts) => finishAttempts(store, workerId, attempts),
    afterLimited: async (functionId) => room?.offerRoom(store, [functionId]),
  };
}

const QUEUE = `INSERT INTO task_runs_open (id, namespace_id, task_id, function_id, type, trigger, state, scheduled_for,
    available_at, queued_at, timeout_ms)
  SELECT gen_random_uuid(), $1, CASE WHEN $2::uuid IS NULL THEN gen_random_uuid() END, $2,
    CASE WHEN $2::uuid IS NULL THEN 'http' ELSE 'function' END, 'manual', 'queued', now(), now(), now(), 1000
  FROM generate_series(1, $3::int) RETURNING id`;

/** What is measured: a number of runs from one step to the next. */
interface Kind {
  title: string;
  functionId: string | null;
  isLimited?: true;
  /** Its calls are recorded when they have ended; no claim comes before. */
  isDirect?: true;
}

async function claimAndFinish(side: Side, namespaceId: string, { functionId, isLimited }: Kind) {
  const { store } = side;
  const { rows } = await store.pool.query<{ id: string }>(QUEUE, [namespaceId, functionId, runs]);
  await store.pool.query("VACUUM ANALYZE");
  const workerId = await makeWorker(store.db);
  const ids = rows.map(({ id }) => id);
  return await clocked(side, async () => {
    let done = 0;
    for (let at = 0; at < runs; at += batch) {
      const claimed = await side.claim(workerId, ids.slice(at, at + batch));
      const ends = claimed.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
      await side.finish(workerId, ends);
      if (isLimited) await side.afterLimited(functionId!);
      done += claimed.length;
    }
    if (done !== runs) throw new Error(`${side.name} ran ${done} of ${runs} runs`);
  });
}

async function recordCalls(side: Side, namespaceId: string, { functionId }: Kind) {
  const { store } = side;
  const { revision } = (await findFunction(store.db, namespaceId, "free"))!;
  const workerId = await makeWorker(store.db);
  const now = new Date().toISOString();
  const calls = Array.from({ length: runs }, () => ({
    ...{
      runId: newId(),
      claimNo: 1,
      namespaceId,
      taskId: null,
      type: "function" as const,
      functionId: functionId!,
    },
    ...{
      revisionId: revision.id,
      functionName: "free",
      holdsPermits: false,
      hasOwnClock: true as const,
      hasCallbacks: false,
      trigger: "invoke" as const,
      input: null,
      timeoutMs: 1_000,
    },
    ...{ durationMs: 1, logs: [], verdict: { state: "succeeded" as const, result: null } },
    record: { attempt: 1, workerId, startedAt: now, finishedAt: now, error: null },
  }));
  return await clocked(side, async () => {
    for (let at = 0; at < runs; at += batch) await side.recordDirect(workerId, calls.slice(at, at + batch));
  });
}

/** What `work` of all runs costs each. */
async function clocked(side: Side, work: () => Promise<void>): Promise<Figures> {
  const before = {
    server: await readServerUs(side.store.pool, side.applicationName),
    client: process.cpuUsage(),
    wall: performance.now(),
  };
  await work();
  const client = process.cpuUsage(before.client);
  const wallMs = performance.now() - before.wall;
  return {
    serverUs: ((await readServerUs(side.store.pool, side.applicationName)) - before.server) / runs,
    clientUs: (client.user + client.system) / runs,
    wallUs: (wallMs * 1_000) / runs,
  };
}

async function measure(side: Side, namespaceId: string, kind: Kind): Promise<Figures> {
  await side.store.pool.query("DELETE FROM task_runs");
  return await (kind.isDirect ? recordCalls : claimAndFinish)(side, namespaceId, kind);
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
  const free = await deployFunction(owner.db, namespaceId, "free");
  const limited = await deployFunction(owner.db, namespaceId, "limited", { concurrency: HIGH_LIMIT });
  const kinds: Kind[] = [
    { title: "http task", functionId: null },
    { title: "function without a limit", functionId: free },
    { title: "function with a limit far above the load", functionId: limited, isLimited: true },
    { title: "direct call", functionId: free, isDirect: true },
  ];
  await owner.close();
  // A store remembers whether it meets limits: each kind has sessions of its own.
  const sides: Side[][] = [];
  for (const _ of kinds) {
    const other = await openSide("other", resolve(options.against), server.address);
    sides.push([other, await openSide("this", ROOT, server.address)]);
  }
  opened.push(...sides.flat());
  const figures = new Map<string, Figures[]>();
  // The first round warms all up.
  for (let round = 0; round <= rounds; round += 1)
    for (const [index, kind] of kinds.entries())
      for (const side of round % 2 === 0 ? sides[index]! : sides[index]!.toReversed()) {
        const measured = await measure(side, namespaceId, kind);
        const name = `${kind.title}, ${side.name}`;
        if (round > 0) figures.set(name, [...(figures.get(name) ?? []), measured]);
      }
  console.log(
    `µs a run, median and least of ${rounds} rounds of ${runs} runs in batches of ${batch}; other: ${options.against}`,
  );
  for (const [name, all] of [...figures].toSorted()) {
    const told = (["serverUs", "clientUs", "wallUs"] as const).map((key) => {
      const { p50, min } = spreadOf(all.map((each) => each[key]));
      return `${key.replace("Us", "")} ${p50.toFixed(1)} ≥ ${min.toFixed(1)}`;
    });
    console.log(`  ${name.padEnd(47)}  ${told.join("   ")}`);
  }
} finally {
  for (const { store } of opened) await store.close();
  await server.stop();
}

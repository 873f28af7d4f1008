/**
 * What a transaction that stays open takes from claims and finishes, on the database alone: one store queues, claims and
 * finishes runs of http tasks as fast as it can, while nobody holds a snapshot and while one is held, in turns. What the
 * server's process runs for a run is told for each slice of them, so that growth shows.
 *
 *     node bench/held-snapshots.ts [--runs 200000] [--slices 5] [--batch 100] [--namespaces 1] [--rounds 1]
 *
 * With `--minutes`, at a fixed pace instead: for so long while transactions of `--hold-seconds` overlap, three at any
 * time, and for a third as long before and after it. Told for each minute, with the runs that wait at its end.
 *
 *     node bench/held-snapshots.ts --minutes 15 [--hold-seconds 120] [--pace 500] [--batch 100] [--namespaces 1]
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import { openStore, type Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { type ClaimLoad, CostSum, openClaimLoad } from "./claim-load.ts";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "200000" },
    slices: { type: "string", default: "5" },
    batch: { type: "string", default: "100" },
    namespaces: { type: "string", default: "1" },
    rounds: { type: "string", default: "1" },
    minutes: { type: "string" },
    "hold-seconds": { type: "string", default: "120" },
    pace: { type: "string", default: "500" },
  },
});
const [runs, slices, batch, namespaces, rounds, pace] = (
  ["runs", "slices", "batch", "namespaces", "rounds", "pace"] as const
).map((name) => Number(options[name])) as [number, number, number, number, number, number];
/** A claim finds a backlog of so many runs at least. */
const BACKLOG = 10 * batch;
const OVERLAPPING = 3;
/** Autovacuum is off here; that of the server which comes with Bellhop looks as often. */
const VACUUM_MS = 15_000;

const server = await startTestPostgres();
try {
  const owner = openStore({
    ...{ databaseUrl: server.address, applicationName: "owner", maxConnections: 3, onError: console.error },
  });
  await migrateUp(owner);
  const namespaceIds: string[] = [];
  for (let i = 0; i < namespaces; i++) namespaceIds.push(await ensureNamespace(owner.db, `bench-${i}`));
  if (options.minutes) await measureOverlapping(owner, namespaceIds, Number(options.minutes));
  else
    for (let round = 0; round < rounds; round++)
      for (const isHeld of [false, true]) await measure(owner, namespaceIds, isHeld);
  await owner.close();
} finally {
  await server.stop();
}

async function openLoad(owner: Store, namespaceIds: string[]): Promise<{ store: Store; load: ClaimLoad }> {
  const name = newId();
  const store = openStore({
    ...{ databaseUrl: server.address, applicationName: name, maxConnections: 1, onError: console.error },
  });
  return { store, load: await openClaimLoad({ store, name, owner }, namespaceIds, batch) };
}

/** A session that sees what there is now; ended by `end()`. */
async function holdSnapshot(): Promise<pg.Client> {
  const holder = new pg.Client({ connectionString: server.address });
  await holder.connect();
  await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  return holder;
}

async function measure(owner: Store, namespaceIds: string[], isHeld: boolean): Promise<void> {
  await owner.pool.query("DELETE FROM task_runs");
  await owner.pool.query("VACUUM ANALYZE");
  const holder = isHeld ? await holdSnapshot() : undefined;
  const { store, load } = await openLoad(owner, namespaceIds);
  const figures: string[] = [];
  let queued = 0;
  for (let slice = 0; slice < slices; slice++) {
    const sum = new CostSum();
    while (sum.runs < runs / slices) {
      if (queued < BACKLOG) {
        await load.queue(BACKLOG);
        queued += BACKLOG;
      }
      const cost = await load.claimBatch();
      sum.add(cost);
      queued -= cost.runs;
    }
    figures.push(sum.tell());
    await owner.pool.query("VACUUM task_runs_open");
  }
  console.log(`${isHeld ? "held" : "free"}: claim/finish, server µs a run, by slice: ${figures.join("  ")}`);
  await store.close();
  await holder?.end();
}

async function measureOverlapping(owner: Store, namespaceIds: string[], minutes: number): Promise<void> {
  console.log(`${pace} runs a second; claim/finish, server µs a run, by minute; in brackets those that wait`);
  const { store, load } = await openLoad(owner, namespaceIds);
  const stopVacuum = startVacuum(owner);
  for (const [phase, lasts] of [
    ["before", minutes / 3],
    ["held", minutes],
    ["after", minutes / 3],
  ] as const) {
    const stopHolding = phase === "held" ? await startHolding() : undefined;
    const figures: string[] = [];
    for (let minute = 0; minute < Math.round(lasts); minute++) {
      const { sum, waiting } = await keepPace(load, 60_000);
      figures.push(`${sum.tell()} (${waiting})`);
    }
    await stopHolding?.();
    console.log(`${phase}: ${figures.join("  ")}`);
  }
  await stopVacuum();
  await store.close();
}

/** Queues and ends runs at the pace; where it falls behind, as many wait at the end. */
async function keepPace(load: ClaimLoad, forMs: number): Promise<{ sum: CostSum; waiting: number }> {
  const sum = new CostSum();
  const beganMs = performance.now();
  let queued = 0;
  for (let passedMs = 0; passedMs < forMs; passedMs = performance.now() - beganMs) {
    const due = Math.floor((passedMs * pace) / 1_000 / batch) * batch - queued;
    if (due > 0) await load.queue(due);
    queued += Math.max(due, 0);
    if (sum.runs < queued) sum.add(await load.claimBatch());
    else await delay((batch / pace) * 500);
  }
  return { sum, waiting: queued - sum.runs };
}

/** Three at any time, each for as long as is asked for. Resolves when the first three hold. */
async function startHolding(): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  const holdMs = Number(options["hold-seconds"]) * 1_000;
  const begun: Promise<void>[] = [];
  const holders = Array.from({ length: OVERLAPPING }, async (_, index) => {
    // The first ones last differently long, so that they overlap from then on.
    for (let lastsMs = (holdMs * (index + 1)) / OVERLAPPING; !stopping.signal.aborted; lastsMs = holdMs) {
      const holding = holdSnapshot();
      begun.push(holding.then(() => {}));
      const holder = await holding;
      await delay(lastsMs, undefined, { signal: stopping.signal }).catch(() => {});
      await holder.end();
    }
  });
  await Promise.all(begun);
  return async () => {
    stopping.abort();
    await Promise.all(holders);
  };
}

function startVacuum(owner: Store): () => Promise<void> {
  const stopping = new AbortController();
  const vacuuming = (async () => {
    while (!stopping.signal.aborted) {
      await delay(VACUUM_MS, undefined, { signal: stopping.signal }).catch(() => {});
      await owner.pool.query("VACUUM task_runs_open");
    }
  })();
  return async () => {
    stopping.abort();
    await vacuuming;
  };
}

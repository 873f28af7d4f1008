/**
 * What a transaction that stays open takes from claims and finishes, on the database alone: one store queues, claims and
 * finishes runs of http tasks as fast as it can, while nobody holds a snapshot and while one is held, in turns. What the
 * server's process runs for a run is told for each slice of them, so that growth shows.
 *
 *     node bench/held-snapshots.ts [--runs 200000] [--slices 5] [--batch 100] [--namespaces 1] [--rounds 1]
 */
import { parseArgs } from "node:util";
import pg from "pg";
import { openStore, type Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { claimDueRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { finished, makeWorker } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";
import { readServerUs } from "./process-times.ts";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "200000" },
    slices: { type: "string", default: "5" },
    batch: { type: "string", default: "100" },
    namespaces: { type: "string", default: "1" },
    rounds: { type: "string", default: "1" },
  },
});
const [runs, slices, batch, namespaces, rounds] = [
  ...[Number(options.runs), Number(options.slices), Number(options.batch)],
  ...[Number(options.namespaces), Number(options.rounds)],
] as [number, number, number, number, number];
/** A claim finds a backlog of so many runs at least. */
const BACKLOG = 10 * batch;

const QUEUE = `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at,
    queued_at, timeout_ms)
  SELECT gen_random_uuid(), ($1::uuid[])[1 + n % cardinality($1::uuid[])], gen_random_uuid(), 'http', 'manual', 'queued',
    now(), now(), now(), 1000
  FROM generate_series(1, $2::int) AS n`;

const server = await startTestPostgres();
try {
  const owner = openStore({
    ...{ databaseUrl: server.address, applicationName: "owner", maxConnections: 2, onError: console.error },
  });
  await migrateUp(owner);
  const namespaceIds: string[] = [];
  for (let i = 0; i < namespaces; i++) namespaceIds.push(await ensureNamespace(owner.db, `bench-${i}`));
  for (let round = 0; round < rounds; round++)
    for (const isHeld of [false, true]) await measure(owner, namespaceIds, isHeld);
  await owner.close();
} finally {
  await server.stop();
}

async function measure(owner: Store, namespaceIds: string[], isHeld: boolean): Promise<void> {
  await owner.pool.query("DELETE FROM task_runs");
  await owner.pool.query("VACUUM ANALYZE");
  const holder = new pg.Client({ connectionString: server.address });
  await holder.connect();
  if (isHeld) await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
  const name = newId();
  const store = openStore({
    ...{ databaseUrl: server.address, applicationName: name, maxConnections: 1, onError: console.error },
  });
  const workerId = await makeWorker(store.db);
  const figures: string[] = [];
  let queued = 0;
  for (let slice = 0; slice < slices; slice++) {
    let [claimUs, finishUs, done] = [0, 0, 0];
    while (done < runs / slices) {
      if (queued < BACKLOG) {
        await owner.pool.query(QUEUE, [namespaceIds, BACKLOG]);
        queued += BACKLOG;
      }
      const beforeUs = await readServerUs(owner.pool, name);
      const { runs: claimed } = await claimDueRuns(store, workerId, batch, 0);
      const claimedUs = await readServerUs(owner.pool, name);
      claimUs += claimedUs - beforeUs;
      await finishAttempts(
        store,
        workerId,
        claimed.map((run) => finished(run, workerId, { state: "succeeded", result: null })),
      );
      finishUs += (await readServerUs(owner.pool, name)) - claimedUs;
      done += claimed.length;
      queued -= claimed.length;
    }
    figures.push(`${(claimUs / done).toFixed(0)}/${(finishUs / done).toFixed(0)}`);
    // Autovacuum is off here.
    await owner.pool.query("VACUUM task_runs_open");
  }
  console.log(`${isHeld ? "held" : "free"}: claim/finish, server µs a run, by slice: ${figures.join("  ")}`);
  await store.close();
  await holder.end();
}

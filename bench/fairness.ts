/**
 * How long ten runs of one namespace wait beside a flood of another's, on the database alone: one connection claims for
 * 34 slots and ends what it claimed at once, another stages. Beside none; beside a million queued runs; beside a million
 * tasks that are all due at the instant of the ten.
 *
 *     node bench/fairness.ts [--flood 1000000]
 */
import { parseArgs } from "node:util";
import { openStore } from "../core/store/database.ts";
import { ensureNamespace } from "../core/store/keys.ts";
import { migrateUp } from "../core/store/migrate.ts";
import { claimDueRuns } from "../core/store/runs/claim.ts";
import { finishAttempts } from "../core/store/runs/finish.ts";
import { stageOccurrences } from "../core/store/runs/stage.ts";
import { finished, makeWorker } from "../core/store/testing/samples.ts";
import { startTestPostgres } from "../test/support/servers.ts";

const SLOTS = 34;
const FEW = 10;
const STAGE_BATCH = 1_000;
/** No statement takes longer than the time that statements have. */
const INSERT_BATCH = 50_000;
const { values: options } = parseArgs({ options: { flood: { type: "string", default: "1000000" } } });
const flood = Number(options.flood);

const QUEUE = `INSERT INTO task_runs_open (id, namespace_id, task_id, type, trigger, state, scheduled_for, available_at, queued_at)
  SELECT gen_random_uuid(), $1, gen_random_uuid(), 'http', 'schedule', 'queued', now(), now(), now()
  FROM generate_series(1, $2::int)`;
const MAKE_TASKS = `INSERT INTO tasks (id, namespace_id, state, type, spec, schedule, anchor_at, next_run_at, policy, retry,
    timeout_ms, dead_letter, labels)
  SELECT gen_random_uuid(), $1, 'active', 'http', '{"type":"http","method":"GET","url":"https://example.com/","headers":{}}',
    '{"kind":"once","at":"2026-01-01T00:00:00Z"}', now(), now(), '{}', '{"maxAttempts":1}', 1000, false, '{}'
  FROM generate_series(1, $2::int)`;

const server = await startTestPostgres();
const store = openStore({
  ...{ databaseUrl: server.address, applicationName: "bench", maxConnections: 4, onError: console.error },
});
try {
  await migrateUp(store);
  const [crowd, few] = [await ensureNamespace(store.db, "crowd"), await ensureNamespace(store.db, "few")];
  const workerId = await makeWorker(store.db);

  /** Milliseconds until the ten have been claimed and ended. */
  async function measure(kind: "runs" | "tasks", count: number): Promise<number> {
    await store.pool.query("DELETE FROM task_runs");
    await store.pool.query("DELETE FROM tasks");
    const insert = kind === "runs" ? QUEUE : MAKE_TASKS;
    for (let rest = count; rest > 0; rest -= INSERT_BATCH)
      await store.pool.query(insert, [crowd, Math.min(rest, INSERT_BATCH)]);
    await store.pool.query("VACUUM ANALYZE");
    let left = FEW;
    const stage = async () => {
      while (left > 0) await stageOccurrences(store, new Date(), new Date(), STAGE_BATCH);
    };
    const claim = async () => {
      while (left > 0) {
        const { runs } = await claimDueRuns(store, workerId, SLOTS, 0);
        const ends = runs.map((run) => finished(run, workerId, { state: "succeeded", result: null }));
        if (ends.length > 0) await finishAttempts(store, workerId, ends);
        left -= runs.filter(({ namespaceId }) => namespaceId === few).length;
      }
    };
    // The flood is under way before the ten come.
    const working = [stage(), claim()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const begunAt = performance.now();
    await store.pool.query(insert, [few, FEW]);
    await Promise.all(working);
    return performance.now() - begunAt;
  }

  console.log(`${FEW} runs of one namespace, ms until they have ended:`);
  for (const [what, kind, count] of [
    ["queued beside none", "runs", 0],
    [`queued beside ${flood} queued runs of another`, "runs", flood],
    ["due beside none", "tasks", 0],
    [`due beside ${flood} due tasks of another`, "tasks", flood],
  ] as const) {
    const tries: string[] = [];
    for (let left = count > 0 ? 1 : 3; left > 0; left -= 1)
      tries.push((await measure(kind, count)).toFixed(0));
    console.log(`  ${what.padEnd(55)} ${tries.join(", ")}`);
  }
} finally {
  await store.close();
  await server.stop();
}

/** Very many rows, made by SQL as production has them: tasks of the future, and finished runs in day partitions. */
import pg from "pg";
import type { Store } from "../core/store/database.ts";
import { newId } from "../core/store/ids.ts";
import { ensurePartitions } from "../core/store/partitions.ts";
import { deployFunction } from "../core/store/testing/samples.ts";

export const DAYS = 90;
export const DAY_MS = 86_400_000;
const TASKS_AT_ONCE = 250_000;

/** What made runs are runs of. */
export interface RunOwners {
  functionIds: string[];
  taskIds: string[];
  workerIds: string[];
  /** Of one in 4,000. */
  rareTaskId: string;
}

export async function makeRunOwners(store: Store, namespaceId: string): Promise<RunOwners> {
  const functionIds: string[] = [];
  for (let index = 0; index < 100; index += 1)
    functionIds.push(await deployFunction(store.db, namespaceId, `f${index}`));
  const ids = (count: number) => Array.from({ length: count }, () => newId());
  return { functionIds, taskIds: ids(1_000), workerIds: ids(20), rareTaskId: newId() };
}

/** A number from 0 that says nothing of i's own digits. */
const spread = (seed: string) => `(hashint4(${seed}) & 2147483647)`;
/** Half of the rows are of the first namespace of $1, the others of any. */
const NAMESPACE = `($1::uuid[])[CASE WHEN ${spread("i")} % 2 = 0 THEN 1 ELSE 1 + ${spread("-i")} % cardinality($1::uuid[]) END]`;

/** Of ten thousand runs a hundred failed in one of two ways, ten were started by hand, one was cancelled. */
const MAKE_DAY = `
  INSERT INTO task_runs (id, finished_at, namespace_id, task_id, function_id, type, trigger, state, scheduled_for,
    available_at, queued_at, started_at, worker_id, error, attempts, result)
  SELECT uuidv7(at - clock_timestamp()), least(at + interval '1 second', $2::timestamptz + interval '1 day' - interval '1 ms'),
    ${NAMESPACE},
    CASE WHEN i % 4000 = 7 THEN $6::uuid WHEN i % 2 = 0 THEN ($4::uuid[])[1 + i % 1000] END,
    CASE WHEN i % 2 = 1 AND i % 4000 <> 7 THEN ($3::uuid[])[1 + i % 100] END,
    CASE WHEN i % 2 = 0 OR i % 4000 = 7 THEN 'http' ELSE 'function' END,
    CASE WHEN i % 1000 = 2 THEN 'manual' WHEN i % 2 = 0 OR i % 4000 = 7 THEN 'schedule' WHEN i % 10 = 1 THEN 'hook' ELSE 'invoke' END,
    CASE WHEN i % 100 IN (3, 4) THEN 'failed' WHEN i % 10000 = 5 THEN 'cancelled' WHEN i % 10000 = 6 THEN 'expired' ELSE 'succeeded' END,
    at, at, at, at, ($5::uuid[])[1 + i % 20],
    CASE WHEN i % 10000 = 3 THEN '{"code":"timeout","message":"It took too long."}'::jsonb
      WHEN i % 100 IN (3, 4) THEN '{"code":"http_status","message":"The server answered 503."}'::jsonb END,
    jsonb_build_array(jsonb_build_object('attempt', 1, 'startedAt', at, 'finishedAt', at, 'error', NULL)), '{"ok":true}'
  FROM generate_series(1, $7::int) AS i, LATERAL (SELECT $2::timestamptz + i * (interval '1 day' / ($7::int + 1)) AS at) AS t`;

/** Finished runs, as many on each of the ninety days before today. */
export async function makeRuns(
  store: Store,
  databaseUrl: string,
  namespaceIds: string[],
  { functionIds, taskIds, workerIds, rareTaskId }: RunOwners,
  perDay: number,
): Promise<void> {
  const today = Date.now() - (Date.now() % DAY_MS);
  await withPatience(databaseUrl, async (client) => {
    for (let back = DAYS; back >= 1; back -= 1) {
      const day = new Date(today - back * DAY_MS);
      await ensurePartitions(store.db, day);
      const owners = [functionIds, taskIds, workerIds, rareTaskId];
      await client.query(MAKE_DAY, [namespaceIds, day, ...owners, perDay]);
      if (back % 10 === 0) tell(`${back} days of runs left to make`);
    }
    await ensurePartitions(store.db, new Date());
    await client.query("VACUUM ANALYZE");
  });
}

/** Each fires once, within the year that begins in an hour. One in 1,000 is paused. */
const MAKE_TASKS = `
  INSERT INTO tasks (id, namespace_id, state, type, name, spec, schedule, anchor_at, next_run_at, policy, retry, timeout_ms,
    dead_letter, labels, paused_at)
  SELECT uuidv7(), ${NAMESPACE}, CASE WHEN i % 1000 = 5 THEN 'paused' ELSE 'active' END, 'http', 'task ' || i,
    '{"type":"http","method":"GET","url":"https://example.com/","headers":{}}',
    jsonb_build_object('kind', 'once', 'at', at), now(), at, '{}', '{"maxAttempts":1}', 1000, false,
    jsonb_build_object('customer', 'c' || i % 1000), CASE WHEN i % 1000 = 5 THEN now() END
  FROM generate_series($2::int + 1, $2::int + $3::int) AS i,
    LATERAL (SELECT date_trunc('milliseconds', now()) + interval '1 hour' + ${spread("i + 1")} / 2147483647.0 * interval '365 days' AS at) AS t`;

export async function makeTasks(databaseUrl: string, namespaceIds: string[], count: number): Promise<void> {
  await withPatience(databaseUrl, async (client) => {
    const fill = async () => {
      for (let made = 0; made < count; made += TASKS_AT_ONCE) {
        await client.query(MAKE_TASKS, [namespaceIds, made, Math.min(TASKS_AT_ONCE, count - made)]);
        if (made > 0 && made % (10 * TASKS_AT_ONCE) === 0) tell(`${made} tasks made`);
      }
    };
    await withoutIndexes(client, "tasks", fill);
    await client.query("VACUUM ANALYZE tasks");
  });
}

/** Takes the table's indexes away for the while, but those of its constraints: to make them anew takes less time. */
async function withoutIndexes(client: pg.Client, table: string, work: () => Promise<void>): Promise<void> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
     WHERE indrelid = $1::regclass
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`,
    [table],
  );
  await client.query(`DROP INDEX ${rows.map(({ name }) => name).join(", ")}`);
  try {
    await work();
  } finally {
    for (const { name, definition } of rows) {
      tell(`making ${name}`);
      await client.query(definition);
    }
  }
}

const MAKE_DUE = `
  INSERT INTO tasks (id, namespace_id, state, type, spec, schedule, anchor_at, next_run_at, policy, retry, timeout_ms,
    dead_letter, labels)
  SELECT uuidv7(), ($1::uuid[])[1 + i % cardinality($1::uuid[])], 'active', 'http',
    '{"type":"http","method":"GET","url":"https://example.com/","headers":{}}',
    jsonb_build_object('kind', 'once', 'at', $2::timestamptz), $2, $2, '{}', '{"maxAttempts":1}', 1000, false, '{}'
  FROM generate_series(1, $3::int) AS i`;

/** All at one instant, of the namespaces in turn. */
export async function makeDueTasks(
  { pool }: Store,
  namespaceIds: string[],
  at: Date,
  count: number,
): Promise<void> {
  await pool.query(MAKE_DUE, [namespaceIds, at, count]);
}

const MAKE_NAMESPACES = `INSERT INTO namespaces (id, name)
  SELECT gen_random_uuid(), 'tenant-' || i FROM generate_series($1::int + 1, $2::int) AS i RETURNING id`;

/** As many as there are then, of `from` that there are. Their ids. */
export async function makeNamespaces({ pool }: Store, from: number, to: number): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(MAKE_NAMESPACES, [from, to]);
  return rows.map(({ id }) => id);
}

/** What it sends may take longer than a statement of Bellhop's own may. */
async function withPatience(databaseUrl: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

const tell = (what: string) => console.log(`${new Date().toISOString()} ${what}`);

/** pg-boss, with what drains fastest: batches of 500, four fetchers that go on while their batches are full. */
import pg from "pg";
import { PgBoss } from "pg-boss";
import { serveJobQueue } from "./serve.ts";

const QUEUE = "noop";
const BATCH_SIZE = 500;
const FETCHERS = 4;
/** The least that it takes. */
const POLL_SECONDS = 0.5;
const CONNECTIONS = 16;

await serveJobQueue(async (url) => {
  const boss = new PgBoss({ connectionString: url, max: CONNECTIONS });
  boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  await boss.createQueue(QUEUE);
  const watch = new pg.Pool({ connectionString: url, max: 1 });
  return {
    addOne: (due) => boss.send(QUEUE, { n: 1 }, { startAfter: due }),
    addMany: (count, due) =>
      boss.insert(
        QUEUE,
        Array.from({ length: count }, () => ({ data: { n: 1 }, startAfter: due })),
      ),
    work: (onBegun) =>
      boss.work(
        QUEUE,
        {
          batchSize: BATCH_SIZE,
          localConcurrency: FETCHERS,
          pollingIntervalSeconds: POLL_SECONDS,
          burstWhenBatchFull: true,
        },
        async (jobs) => onBegun(jobs.length),
      ),
    async countOpen() {
      const { rows } = await watch.query<{ open: number }>(
        "SELECT count(*)::int AS open FROM pgboss.job WHERE name = $1 AND state <> 'completed'",
        [QUEUE],
      );
      return rows[0]!.open;
    },
    async close() {
      await boss.stop({ graceful: false });
      await watch.end();
    },
  };
});

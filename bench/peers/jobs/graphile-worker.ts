/** graphile-worker, with what its own page of performance has: a local queue of 500, completions in batches. */
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";
import { serveJobQueue } from "./serve.ts";

const TASK = "noop";
const CONCURRENCY = 24;
const POLL_MS = 100;

const logger = new Logger(() => (level, message) => {
  if (level === "error" || level === "warning") process.stderr.write(`graphile-worker: ${message}\n`);
});

await serveJobQueue(async (url) => {
  const utils = await makeWorkerUtils({ connectionString: url, maxPoolSize: CONCURRENCY + 1, logger });
  await utils.migrate();
  const watch = new pg.Pool({ connectionString: url, max: 1 });
  let runner: Awaited<ReturnType<typeof run>> | undefined;
  return {
    addOne: (due) => utils.addJob(TASK, { n: 1 }, { runAt: due }),
    addMany: (count, due) =>
      utils.addJobs(
        Array.from({ length: count }, () => ({ identifier: TASK, payload: { n: 1 }, runAt: due })),
      ),
    async work(onBegun) {
      runner = await run({
        noHandleSignals: true,
        preset: {
          worker: {
            connectionString: url,
            logger,
            concurrentJobs: CONCURRENCY,
            maxPoolSize: CONCURRENCY + 1,
            pollInterval: POLL_MS,
            localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
        taskList: { [TASK]: () => onBegun(1) },
      });
    },
    async countOpen() {
      const { rows } = await watch.query<{ open: number }>(
        "SELECT count(*)::int AS open FROM graphile_worker._private_jobs",
      );
      return rows[0]!.open;
    },
    async close() {
      await runner?.stop();
      await utils.release();
      await watch.end();
    },
  };
});

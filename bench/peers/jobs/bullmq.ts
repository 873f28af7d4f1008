/** BullMQ on Redis: one worker of 500 jobs at once. */
import { Queue, Worker } from "bullmq";
import { serveJobQueue } from "./serve.ts";

const QUEUE = "noop";
const CONCURRENCY = 500;

await serveJobQueue(async (url) => {
  const { hostname, port } = new URL(url);
  const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
  const queue = new Queue(QUEUE, { connection });
  let worker: Worker | undefined;
  const optionsOf = (due: Date) => ({ delay: Math.max(0, due.getTime() - Date.now()) });
  return {
    addOne: (due) => queue.add(QUEUE, { n: 1 }, optionsOf(due)),
    addMany: (count, due) =>
      queue.addBulk(
        Array.from({ length: count }, () => ({ name: QUEUE, data: { n: 1 }, opts: optionsOf(due) })),
      ),
    async work(onBegun) {
      worker = new Worker(QUEUE, async () => onBegun(1), { connection, concurrency: CONCURRENCY });
      worker.on("error", (error) => process.stderr.write(`BullMQ: ${error.message}\n`));
      await worker.waitUntilReady();
    },
    countOpen: () => queue.getJobCountByTypes("wait", "active", "delayed", "failed", "prioritized"),
    async close() {
      await worker?.close(true);
      await queue.close();
    },
  };
});

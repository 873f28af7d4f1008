/** A process around one library of job queues: does what its parent asks for, and ends with it. */
import { setTimeout as delay } from "node:timers/promises";
import { forEachConcurrently, spreadOf } from "../../stats.ts";
import {
  type DrainAnswer,
  type JobMessage,
  type JobQueue,
  type JobReply,
  type JobRequest,
  type OpenJobQueue,
  URL_VARIABLE,
} from "../job-queue.ts";

const LOOK_MS = 5;

interface Drain {
  count: number;
  dueMs: number;
  begunMs: number[];
  whenAllBegun: PromiseWithResolvers<void>;
}

export async function serveJobQueue(open: OpenJobQueue): Promise<void> {
  // A Ctrl-C in the terminal is the parent's, who ends this process when it is done.
  process.on("SIGINT", () => {});
  const queue = await open(process.env[URL_VARIABLE]!);
  let drain: Drain | undefined;
  const onBegun = (count: number) => {
    const nowMs = Date.now();
    for (let nth = 0; nth < count; nth += 1) drain?.begunMs.push(nowMs);
    if (drain && drain.begunMs.length >= drain.count) drain.whenAllBegun.resolve();
  };

  const answer = async (request: JobRequest): Promise<unknown> => {
    switch (request.ask) {
      case "work":
        await queue.work(onBegun);
        return null;
      case "create":
        return await create(queue, request);
      case "countOpen":
        return await queue.countOpen();
      case "settle":
        await settle(queue);
        return null;
      case "drain": {
        const { count, dueMs } = request;
        drain = { count, dueMs, begunMs: [], whenAllBegun: Promise.withResolvers() };
        return await finishDrain(queue, drain);
      }
    }
  };
  const reply = (message: JobReply) => process.send?.(message, undefined, undefined, () => {});
  process.on("message", ({ id, request }: JobMessage) => {
    answer(request).then(
      (given) => reply({ id, answer: given }),
      (error: Error) => reply({ id, error: error.stack ?? error.message }),
    );
  });
  process.on("disconnect", () => {
    void queue.close().finally(() => process.exit(0));
  });
  reply({ ready: true });
}

async function settle(queue: JobQueue): Promise<void> {
  while ((await queue.countOpen()) > 0) await delay(LOOK_MS);
}

async function create(
  queue: JobQueue,
  { count, batch, inFlight, dueMs }: Extract<JobRequest, { ask: "create" }>,
): Promise<number> {
  const due = new Date(dueMs);
  const beganMs = performance.now();
  if (batch === 0) await forEachConcurrently(count, inFlight, async () => void (await queue.addOne(due)));
  else
    await forEachConcurrently(Math.ceil(count / batch), inFlight, async (nth) => {
      await queue.addMany(Math.min(batch, count - nth * batch), due);
    });
  return performance.now() - beganMs;
}

async function finishDrain(
  queue: JobQueue,
  { count, dueMs, begunMs, whenAllBegun }: Drain,
): Promise<DrainAnswer> {
  await whenAllBegun.promise;
  await settle(queue);
  const lastRecordedMs = Date.now();
  if (begunMs.length !== count) throw new Error(`${begunMs.length} jobs were begun of ${count}`);
  const firstBegunMs = begunMs.reduce((first, each) => Math.min(first, each));
  if (firstBegunMs < dueMs) throw new Error(`a job was begun ${dueMs - firstBegunMs} ms before it was due`);
  const { p50, p99 } = spreadOf(begunMs.map((each) => each - dueMs));
  return { firstBegunMs, lastRecordedMs, latenessMs: { p50, p99 } };
}

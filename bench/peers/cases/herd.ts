/** Very many jobs due at one instant: how fast they are drained, and how late each begins. */
import { setTimeout as delay } from "node:timers/promises";
import { lastRunId, type TaskBody } from "../../scenarios.ts";
import { spreadOf } from "../../stats.ts";
import { type Bellhop, type Broker, createBatches, demandRuns, openBellhop, openBroker } from "../bellhop.ts";
import { beginCosts } from "../costs.ts";
import { createHerdMaker } from "../due-instant.ts";
import { findLibraries, type JobSystem } from "../job-systems.ts";
import { type Entrant, type Measured, runRounds, WARM_UP_ROUNDS } from "../rounds.ts";
import type { CaseOptions, PeerCase } from "./case.ts";

const IN_FLIGHT = 4;
const BATCH = 1_000;

export function herdOfJobs(work: string, { name, client, worker, ...system }: JobSystem): Entrant {
  const makeAhead = createHerdMaker();
  return {
    work,
    system: name,
    async measure(count) {
      const dueMs = await makeAhead({
        count,
        make: (dueMs) => client.ask({ ask: "create", count, batch: BATCH, inFlight: IN_FLIGHT, dueMs }),
        settle: () => worker.ask({ ask: "settle" }),
      });
      const endCosts = await beginCosts(system);
      const { firstBegunMs, lastRecordedMs, latenessMs } = await worker.ask({ ask: "drain", count, dueMs });
      const costs = await endCosts(count);
      return toMeasured(count, firstBegunMs, lastRecordedMs, latenessMs, costs);
    },
  };
}

export function herdOfBellhop(work: string, name: string, bellhop: Bellhop, body: TaskBody): Entrant {
  const { system } = bellhop;
  const makeAhead = createHerdMaker();
  return {
    work,
    system: name,
    async measure(count) {
      let after = await lastRunId(system);
      const dueMs = await makeAhead({
        count,
        make(dueMs) {
          const task = { ...body, schedule: { at: new Date(dueMs).toISOString() } };
          return createBatches(system, count, IN_FLIGHT, task);
        },
        async settle(dueMs) {
          await demandRuns(system, after, count, dueMs);
          after = await lastRunId(system);
        },
      });
      const endCosts = await beginCosts(bellhop);
      await delay(dueMs - Date.now());
      await demandRuns(system, after, count, dueMs);
      const costs = await endCosts(count);
      const { firstMs, lastMs, latenessMs } = await readHerd(bellhop, after);
      if (firstMs < dueMs) throw new Error(`a run was begun ${dueMs - firstMs} ms before it was due`);
      return toMeasured(count, firstMs, lastMs, spreadOf(latenessMs), costs);
    },
  };
}

/** What stands in the way of nobody is left out: how long the first job waited for a look is lateness, not drain. */
function toMeasured(
  count: number,
  firstMs: number,
  lastMs: number,
  { p50, p99 }: { p50: number; p99: number },
  costs: NonNullable<Measured["costs"]>,
): Measured {
  return { figures: { perSecond: count / ((lastMs - firstMs) / 1_000), p50Ms: p50, p99Ms: p99 }, costs };
}

async function readHerd({ system }: Bellhop, after: string) {
  const { rows } = await system.db.query<{ startedMs: number; finishedMs: number; dueMs: number }>(
    `SELECT extract(epoch FROM started_at)::float8 * 1000 AS "startedMs",
       extract(epoch FROM finished_at)::float8 * 1000 AS "finishedMs",
       extract(epoch FROM scheduled_for)::float8 * 1000 AS "dueMs"
     FROM task_runs WHERE id > $1`,
    [after],
  );
  return {
    firstMs: rows.reduce((first, { startedMs }) => Math.min(first, startedMs), Number.POSITIVE_INFINITY),
    lastMs: rows.reduce((last, { finishedMs }) => Math.max(last, finishedMs), 0),
    latenessMs: rows.map(({ startedMs, dueMs }) => startedMs - dueMs),
  };
}

export const NOOP_JOBS = "no-op jobs due at once";
export const IN_WORKER = "Bellhop, no-op in the worker";
export const FUNCTIONS = "Bellhop, no-op functions";
export const HTTP = "Bellhop, http to a sink";
export const onKafka = (name: string) => `${name}, on Kafka`;

const FUNCTION_TASK: TaskBody = { type: "function", function: "noop" };
/** A name that nobody has: a run that is really sent fails, and with it the benchmark. */
const NOOP_TASK: TaskBody = {
  ...{ type: "http", method: "POST", url: "http://nowhere.invalid/", body: { n: 1 } },
  retry: { maxAttempts: 1 },
};
const httpTask = ({ system }: Bellhop): TaskBody => ({
  ...{ type: "http", method: "POST" },
  url: system.sinkUrl,
  body: { n: 1 },
});

async function openEntrants(opened: AsyncDisposableStack, options: CaseOptions): Promise<Entrant[]> {
  const entrants: Entrant[] = [];
  for (const library of findLibraries(options.tell)) {
    const system = await library.open(opened);
    await system.worker.ask({ ask: "work" });
    entrants.push(herdOfJobs(NOOP_JOBS, system));
  }
  const addBellhop = async (naming: (name: string) => string, broker?: Broker) => {
    const noop = await openBellhop(opened, { broker, isNoop: true, isForShortRuns: true });
    const bellhop = await openBellhop(opened, { broker, isForShortRuns: true });
    entrants.push(
      herdOfBellhop(NOOP_JOBS, naming(IN_WORKER), noop, NOOP_TASK),
      herdOfBellhop(NOOP_JOBS, naming(FUNCTIONS), bellhop, FUNCTION_TASK),
      herdOfBellhop(NOOP_JOBS, naming(HTTP), bellhop, httpTask(bellhop)),
    );
  };
  await addBellhop((name) => name);
  const broker = options.kafka ? await openBroker(opened, options.kafkaDir, options.tell) : undefined;
  if (broker) await addBellhop(onKafka, broker);
  return entrants;
}

export const HERD: PeerCase = {
  name: "herd",
  purpose: "no-op jobs that are all due at one instant: drain, lateness",
  async run(opened, options) {
    const { rounds, runs, tell } = options;
    const plan = { rounds, items: runs, warmUpItems: runs * WARM_UP_ROUNDS };
    return await runRounds(await openEntrants(opened, options), plan, tell);
  },
};

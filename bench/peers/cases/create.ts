/** Jobs of a far future are made: each by itself from 64 callers, and a thousand at a time. */
import { forEachConcurrently } from "../../stats.ts";
import { MINIMAL } from "../../system.ts";
import { BATCH, type Bellhop, createBatches, openBellhop } from "../bellhop.ts";
import { beginCosts } from "../costs.ts";
import { findLibraries, type JobSystem } from "../job-systems.ts";
import { type Entrant, type Measured, runRounds, WARM_UP_ROUNDS } from "../rounds.ts";
import type { PeerCase } from "./case.ts";

const CALLERS = 64;
const BATCHES_IN_FLIGHT = 4;
const AHEAD_MS = 30 * 86_400_000;

export const SINGLE = "jobs made one by one";
export const BULK = "jobs made a thousand at a time";
export const BELLHOP = "Bellhop";

function jobsOf(work: string, { name, client, ...system }: JobSystem): Entrant {
  const [batch, inFlight] = work === BULK ? [BATCH, BATCHES_IN_FLIGHT] : [0, CALLERS];
  return {
    work,
    system: name,
    async measure(count) {
      const before = await client.ask({ ask: "countOpen" });
      const endCosts = await beginCosts(system);
      const dueMs = Date.now() + AHEAD_MS;
      const tookMs = await client.ask({ ask: "create", count, batch, inFlight, dueMs });
      const costs = await endCosts(count);
      demandMade(await client.ask({ ask: "countOpen" }), before, count);
      return toMeasured(count, tookMs, costs);
    },
  };
}

function demandMade(now: number, before: number, count: number): void {
  if (now - before !== count) throw new Error(`${now - before} jobs are there of ${count} that were made`);
}

const toMeasured = (count: number, tookMs: number, costs: NonNullable<Measured["costs"]>): Measured => ({
  figures: { perSecond: count / (tookMs / 1_000) },
  costs,
});

async function countTasks({ system }: Bellhop): Promise<number> {
  const { rows } = await system.db.query<{ tasks: number }>("SELECT count(*)::int AS tasks FROM tasks");
  return rows[0]!.tasks;
}

function tasksOf(work: string, bellhop: Bellhop): Entrant {
  const { system } = bellhop;
  const create = async (count: number, task: object) => {
    if (work === BULK) return await createBatches(system, count, BATCHES_IN_FLIGHT, task);
    await forEachConcurrently(
      count,
      CALLERS,
      async () => void (await system.call("POST", "/v1/tasks", task, MINIMAL)),
    );
  };
  return {
    work,
    system: BELLHOP,
    async measure(count) {
      const at = new Date(Date.now() + AHEAD_MS).toISOString();
      const before = await countTasks(bellhop);
      const endCosts = await beginCosts(bellhop);
      const beganMs = performance.now();
      await create(count, {
        ...{ type: "http", method: "POST", url: system.sinkUrl },
        ...{ body: { n: 1 }, schedule: { at } },
      });
      const tookMs = performance.now() - beganMs;
      const costs = await endCosts(count);
      demandMade(await countTasks(bellhop), before, count);
      return toMeasured(count, tookMs, costs);
    },
  };
}

export const CREATE: PeerCase = {
  name: "create",
  purpose: "jobs of a far future: single, 64 callers; a thousand at a time, 4 in flight",
  async run(opened, { rounds, runs, tell }) {
    const systems: JobSystem[] = [];
    for (const library of findLibraries(tell)) systems.push(await library.open(opened));
    const bellhop = await openBellhop(opened);
    const entrants = [SINGLE, BULK].flatMap((work) => [
      ...systems.map((system) => jobsOf(work, system)),
      tasksOf(work, bellhop),
    ]);
    const plan = { rounds, items: runs, warmUpItems: runs * WARM_UP_ROUNDS };
    return await runRounds(entrants, plan, tell);
  },
};

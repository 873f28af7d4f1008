/** Many more jobs due at one instant: whether they are drained as fast as few, beside pg-boss with as many. */
import { openBellhop } from "../bellhop.ts";
import { PG_BOSS } from "../job-systems.ts";
import { type Entrant, runRounds } from "../rounds.ts";
import type { PeerCase } from "./case.ts";
import { FUNCTIONS, herdOfBellhop, herdOfJobs } from "./herd.ts";

export const MANY_JOBS = "six times as many no-op jobs due at once";
const TIMES_RUNS = 6;
const WARM_UP_SHARE = 0.1;
/** It takes long. */
const MOST_ROUNDS = 2;

export const BIG: PeerCase = {
  name: "big",
  purpose: "six times --runs no-op jobs due at one instant, in two rounds at most",
  async run(opened, { rounds, runs, tell }) {
    const pgBoss = await PG_BOSS.open(opened);
    await pgBoss.worker.ask({ ask: "work" });
    const bellhop = await openBellhop(opened, { isForShortRuns: true });
    const entrants: Entrant[] = [
      herdOfJobs(MANY_JOBS, pgBoss),
      herdOfBellhop(MANY_JOBS, FUNCTIONS, bellhop, { type: "function", function: "noop" }),
    ];
    const items = runs * TIMES_RUNS;
    const plan = { rounds: Math.min(rounds, MOST_ROUNDS), items, warmUpItems: items * WARM_UP_SHARE };
    return await runRounds(entrants, plan, tell);
  },
};

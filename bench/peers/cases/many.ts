/** A hundred functions called in turn, beside one: workerd with a hundred workers behind a router, and Bellhop. */

import { proportionalMbByProcess } from "../../process-times.ts";
import { lastRunId } from "../../scenarios.ts";
import { forEachConcurrently } from "../../stats.ts";
import { type Bellhop, demandRecorded, openBellhop } from "../bellhop.ts";
import { type CalledFunction, oneOfMany } from "../called-functions.ts";
import { beginCosts } from "../costs.ts";
import { type Caller, callInFlight, callOf, openCaller } from "../http-caller.ts";
import { type Entrant, runRounds } from "../rounds.ts";
import { openWorkerd } from "../workerd.ts";
import { INVOKE, WORKERD } from "./calls.ts";
import type { PeerCase } from "./case.ts";

const MANY = 100;
export const ONE_FUNCTION = "calls of one function, 32 in flight";
export const MANY_FUNCTIONS = "calls of 100 functions in turn, 32 in flight";
/** What is called once is not known to be called again. */
const WARM_UP_CALLS_EACH = 4;

const WARM = 'bellhop_isolate_runs_total{isolate="warm"';
const COLD = 'bellhop_isolate_runs_total{isolate="cold"';

/** Runs by what they met, as the worker counts them. */
async function readIsolateRuns({ system }: Bellhop): Promise<{ warm: number; cold: number }> {
  const lines = (await system.readWorkerMetrics()).split("\n");
  const sum = (name: string) =>
    lines
      .filter((line) => line.startsWith(name))
      .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
  return { warm: sum(WARM), cold: sum(COLD) };
}

function callsOfBellhop(
  bellhop: Bellhop,
  caller: Caller,
  functions: CalledFunction[],
): (count: number) => Entrant {
  return (count) => ({
    work: count === 1 ? ONE_FUNCTION : MANY_FUNCTIONS,
    system: INVOKE,
    async measure(items) {
      const call = (nth: number) => {
        const called = functions[nth % count]!;
        return callOf(caller, `/v1/functions/${called.name}/invoke`, called, Math.floor(nth / count));
      };
      const [after, before] = [await lastRunId(bellhop.system), await readIsolateRuns(bellhop)];
      const endCosts = await beginCosts(bellhop);
      const { perSecond } = await callInFlight(items, call);
      await demandRecorded(bellhop.system, after, items);
      const costs = await endCosts(items);
      const now = await readIsolateRuns(bellhop);
      const [warm, cold] = [now.warm - before.warm, now.cold - before.cold];
      const memory = proportionalMbByProcess(bellhop.roots);
      const executingMb = (memory.get("runtime") ?? 0) + (memory.get("executor") ?? 0);
      return {
        figures: { perSecond: perSecond!, warmShare: (warm / (warm + cold)) * 100, executingMb },
        costs,
      };
    },
  });
}

async function openWorkerdEntrant(
  opened: AsyncDisposableStack,
  functions: CalledFunction[],
): Promise<Entrant> {
  const workerd = await openWorkerd(opened, functions);
  const caller = openCaller(workerd.origin);
  opened.defer(() => caller.close());
  const isOne = functions.length === 1;
  return {
    work: isOne ? ONE_FUNCTION : MANY_FUNCTIONS,
    system: WORKERD,
    async measure(items) {
      const endCosts = await beginCosts(workerd);
      const { perSecond } = await callInFlight(items, (nth) => {
        const called = functions[nth % functions.length]!;
        return callOf(caller, isOne ? "/" : `/${called.name}`, called, Math.floor(nth / functions.length));
      });
      const costs = await endCosts(items);
      return { figures: { perSecond: perSecond!, executingMb: costs.proportionalMb }, costs };
    },
  };
}

export const MANY_CASE: PeerCase = {
  name: "many",
  purpose: "a hundred functions in turn, beside one: rate, warm share, memory",
  async run(opened, { rounds, runs, tell }) {
    const functions = Array.from({ length: MANY }, (_, nth) => oneOfMany(nth));
    const bellhop = await openBellhop(opened);
    await forEachConcurrently(MANY, 8, async (nth) => {
      const { name, plainSource: source } = functions[nth]!;
      await bellhop.system.call("PUT", `/v1/functions/${name}`, { source });
    });
    const caller = openCaller(bellhop.system.origin, bellhop.system.key);
    opened.defer(() => caller.close());
    const ofBellhop = callsOfBellhop(bellhop, caller, functions);
    const entrants = [
      await openWorkerdEntrant(opened, functions.slice(0, 1)),
      ofBellhop(1),
      await openWorkerdEntrant(opened, functions),
      ofBellhop(MANY),
    ];
    return await runRounds(
      entrants,
      { rounds, items: runs, warmUpItems: Math.min(runs, MANY * WARM_UP_CALLS_EACH) },
      tell,
    );
  },
};

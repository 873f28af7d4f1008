/** Calls of one function over HTTP, 32 in flight and one at a time: workerd, which records nothing, and Bellhop, which records each. */
import { lastRunId } from "../../scenarios.ts";
import { type Bellhop, demandRecorded, openBellhop } from "../bellhop.ts";
import { type CalledFunction, MEDIUM, TRIVIAL } from "../called-functions.ts";
import { beginCosts } from "../costs.ts";
import { type Caller, callInFlight, callOf, callOneAtATime, openCaller } from "../http-caller.ts";
import { type Entrant, type Figures, runRounds, WARM_UP_ROUNDS } from "../rounds.ts";
import { openWorkerd } from "../workerd.ts";
import type { PeerCase } from "./case.ts";

export const WORKERD = "workerd";
export const INVOKE = "Bellhop, invoke";
export const FUNCTION_URL = "Bellhop, URL";
export const HEALTH = "Bellhop's API, /healthz";

type How = (count: number, call: (nth: number) => Promise<void>) => Promise<Figures>;

interface Work {
  title: string;
  called: CalledFunction;
  how: How;
  /** Of the items of a round. */
  share: number;
}

export const TRIVIAL_CALLS = "calls of a trivial function, 32 in flight";
export const TRIVIAL_ALONE = "calls of a trivial function, one at a time";
export const MEDIUM_CALLS = "calls with 20 KB of JSON, 32 in flight";
const WORKS: Work[] = [
  { title: TRIVIAL_CALLS, called: TRIVIAL, how: callInFlight, share: 1 },
  { title: TRIVIAL_ALONE, called: TRIVIAL, how: callOneAtATime, share: 0.1 },
  { title: MEDIUM_CALLS, called: MEDIUM, how: callInFlight, share: 0.2 },
];

/** What each call of a round answers is looked at by the caller; that it was recorded, by the database. */
function callsOfBellhop(
  { title, how, share }: Work,
  name: string,
  bellhop: Bellhop,
  call: (nth: number) => Promise<void>,
  isRecorded: boolean,
): Entrant {
  return {
    work: title,
    system: name,
    async measure(items) {
      const count = Math.ceil(items * share);
      const after = await lastRunId(bellhop.system);
      const endCosts = await beginCosts(bellhop);
      const figures = await how(count, call);
      // At once: a call is recorded before it is answered.
      if (isRecorded) await demandRecorded(bellhop.system, after, count);
      return { figures, costs: await endCosts(count) };
    },
  };
}

function entrantsOfBellhop(bellhop: Bellhop, caller: Caller): Entrant[] {
  return WORKS.flatMap((work) => {
    const { called } = work;
    const invoke = (nth: number) => callOf(caller, `/v1/functions/plain-${called.name}/invoke`, called, nth);
    const call = (nth: number) => callOf(caller, `/fn/default/${called.name}`, called, nth);
    const health = () => caller.get("/healthz");
    return [
      callsOfBellhop(work, INVOKE, bellhop, invoke, true),
      callsOfBellhop(work, FUNCTION_URL, bellhop, call, true),
      ...(work.title === TRIVIAL_CALLS ? [callsOfBellhop(work, HEALTH, bellhop, health, false)] : []),
    ];
  });
}

export const CALLS: PeerCase = {
  name: "calls",
  purpose: "calls of one function over HTTP, 32 in flight and one at a time",
  async run(opened, { rounds, runs, tell }) {
    const entrants: Entrant[] = [];
    const bellhop = await openBellhop(opened);
    const caller = openCaller(bellhop.system.origin, bellhop.system.key);
    opened.defer(() => caller.close());
    for (const called of [TRIVIAL, MEDIUM]) {
      const deploy = (name: string, source: string) =>
        bellhop.system.call("PUT", `/v1/functions/${name}`, { source, public: true });
      await deploy(called.name, called.fetchSource);
      await deploy(`plain-${called.name}`, called.plainSource);
    }
    for (const work of WORKS) {
      const workerd = await openWorkerd(opened, [work.called]);
      const ownCaller = openCaller(workerd.origin);
      opened.defer(() => ownCaller.close());
      entrants.push({
        work: work.title,
        system: WORKERD,
        async measure(items) {
          const count = Math.ceil(items * work.share);
          const endCosts = await beginCosts(workerd);
          const figures = await work.how(count, (nth) => callOf(ownCaller, "/", work.called, nth));
          return { figures, costs: await endCosts(count) };
        },
      });
    }
    entrants.push(...entrantsOfBellhop(bellhop, caller));
    const order = WORKS.map(({ title }) => title);
    entrants.sort((a, b) => order.indexOf(a.work) - order.indexOf(b.work));
    const plan = { rounds, items: runs, warmUpItems: runs * WARM_UP_ROUNDS };
    return await runRounds(entrants, plan, tell);
  },
};

/** From no worker process: how long after it was published a run starts, beside a Node process that does nothing. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { untilNobodyWorks } from "../../from-zero.ts";
import { measureFirstRuns } from "../../sandbox.ts";
import { lastRunId, waitForRuns } from "../../scenarios.ts";
import { spreadOf } from "../../stats.ts";
import { openBellhop } from "../bellhop.ts";
import { type Entrant, type Measured, runRounds } from "../rounds.ts";
import type { PeerCase } from "./case.ts";

export const FROM_ZERO = "publish to first run started, from no worker";
export const BARE_NODE = "a bare Node process";
export const BELLHOP = "Bellhop";
export const FIRST_RUN = "the first run of a new revision, in its executor";
export const SNAPSHOT_ISOLATE = "an isolate from the snapshot";
const ISOLATES = join(import.meta.dirname, "../snapshot-isolates.ts");
/** Until the worker's bundle is made, and V8's code of it is kept. */
const WARM_UPS = 4;
const TIMES = 5;
const FIRST_RUN_TIMES = 30;

async function timeTimes(times: number, work: () => Promise<number>): Promise<Measured> {
  const tookMs: number[] = [];
  for (let nth = 0; nth < times; nth += 1) tookMs.push(await work());
  const { p50, p99 } = spreadOf(tookMs);
  return { figures: { p50Ms: p50, p99Ms: p99 } };
}

async function startBareNode(): Promise<number> {
  const beganMs = performance.now();
  const [status] = await once(spawn(process.execPath, ["-e", ""], { stdio: "ignore" }), "exit");
  if (status !== 0) throw new Error(`a Node process that does nothing ended with ${status}`);
  return performance.now() - beganMs;
}

async function measureSnapshotIsolates(times: number): Promise<Measured> {
  const args = ["--no-node-snapshot", "--no-warnings", ISOLATES, String(times)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { p50, p99 } = spreadOf(JSON.parse(stdout) as number[]);
  return { figures: { p50Ms: p50, p99Ms: p99 } };
}

async function measureFirstRunsOfRevisions(times: number): Promise<Measured> {
  const { p50, p99 } = await measureFirstRuns(times);
  return { figures: { p50Ms: p50, p99Ms: p99 } };
}

export const ZERO: PeerCase = {
  name: "zero",
  purpose: "publish to first run started from no worker, and the first run of a new revision",
  async run(opened, { rounds, tell }) {
    const { system } = await openBellhop(opened);
    await system.stopWorker();
    const autoscaler = await system.startAutoscaler(() => {});
    opened.defer(() => autoscaler.stop());
    const publish = async () => {
      await untilNobodyWorks(autoscaler.port);
      const after = await lastRunId(system);
      await system.call("POST", "/v1/tasks", { type: "function", function: "noop" });
      const [run] = await waitForRuns(system, after, 1);
      return run!.startedMs - run!.queuedMs;
    };
    const entrants: Entrant[] = [
      { work: FROM_ZERO, system: BARE_NODE, measure: (times) => timeTimes(times, startBareNode) },
      { work: FROM_ZERO, system: BELLHOP, measure: (times) => timeTimes(times, publish) },
    ];
    const firstRuns: Entrant[] = [
      { work: FIRST_RUN, system: SNAPSHOT_ISOLATE, measure: measureSnapshotIsolates },
      { work: FIRST_RUN, system: BELLHOP, measure: measureFirstRunsOfRevisions },
    ];
    return [
      ...(await runRounds(entrants, { rounds, items: TIMES, warmUpItems: WARM_UPS }, tell)),
      ...(await runRounds(firstRuns, { rounds, items: FIRST_RUN_TIMES, warmUpItems: 0 }, tell)),
    ];
  },
};

/**
 * `/demand`: how much work there is for workers, for autoscalers that ask over HTTP. Like the probes, without a key.
 */
import { type Demand, totalDemand } from "../core/store/demand.ts";
import type { Probes } from "../core/telemetry/probes.ts";

/** `{"demand": 12, "dueRuns": 5, "runningRuns": 7, "busySlots": 7, "busyLongSlots": 0, "waitingCallers": 0, "upcomingRuns": 0}`; the counts stop at 100,000. */
export function withDemand(probes: Probes, readDemand: () => Promise<Demand>): Probes {
  let reading: Promise<Demand> | undefined;
  /** Who asks meanwhile shares the answer: strangers take one connection of the pool at most. */
  const read = () => {
    reading ??= readDemand().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  return async (path) => {
    if (path !== "/demand") return await probes(path);
    const demand = await read();
    return {
      status: 200,
      contentType: "application/json",
      body: JSON.stringify({ demand: totalDemand(demand), ...demand }),
    };
  };
}

import type { SandboxStats } from "../../../core/telemetry/metrics/sandbox.ts";
import type { ExecutorStarter } from "./executor-starter.ts";
import type { Tenant } from "./tenant.ts";

/** What a worker's metrics show of its sandbox at this moment. */
export function countSandbox(starter: ExecutorStarter, tenants: Iterable<Tenant>): SandboxStats {
  const executors = { starting: 0, spare: 0, serving: 0, draining: 0 };
  const warm = { isolates: 0, bytes: 0 };
  let [busyIsolates, runs, waiting] = [0, 0, 0];
  for (const executor of starter.processes) {
    if (executor.state === "starting" || executor.state === "draining") executors[executor.state]++;
    else if (executor.state === "ready") executors[executor === starter.spare ? "spare" : "serving"]++;
    busyIsolates += executor.busyIsolates;
    runs += executor.runningCount;
    warm.isolates += executor.warm.isolates;
    warm.bytes += executor.warm.bytes;
  }
  for (const tenant of tenants) waiting += tenant.waiting.size;
  return { executors, warm, busyIsolates, runs, waiting };
}

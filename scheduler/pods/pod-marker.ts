/**
 * Keeps the deletion costs of workers' pods. Best effort: a mark that is missing costs a worker's drain, not a run.
 * Several schedulers write the same marks, and a second write that changes nothing costs the cluster nothing either.
 */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import { decideMarks, type PodWorker, type Told } from "./deletion-cost.ts";
import type { PodApi } from "./pod-api.ts";

export interface PodMarkerParts {
  listWorkers(): Promise<PodWorker[]>;
  /** Asked again after it failed. */
  openApi(): Promise<PodApi>;
  clock: Clock;
  log: Logger;
}

const ANNOTATION = "controller.kubernetes.io/pod-deletion-cost";
const PASS_MS = 5_000;
const RETRY_MS = 60_000;

export function startPodMarker(parts: PodMarkerParts): { stop(): Promise<void> } {
  const { clock, log } = parts;
  const stopped = new AbortController();
  let api: PodApi | undefined;
  let told: Map<string, Told> = new Map();

  async function markPods(): Promise<void> {
    api ??= await parts.openApi();
    const decided = decideMarks(clock.now().getTime(), await parts.listWorkers(), told);
    told = decided.told;
    for (const { pod, cost } of decided.marks) {
      if (stopped.signal.aborted) return;
      // No such pod: it is not asked again while nothing changes.
      await api.annotate(pod, { [ANNOTATION]: String(cost) });
      told.set(pod, { cost });
    }
  }

  async function loop(): Promise<void> {
    while (!stopped.signal.aborted) {
      let waitMs = PASS_MS;
      await markPods().catch((error) => {
        waitMs = RETRY_MS;
        log.warn({ error }, "the pods of workers could not be marked; tried again in a minute");
      });
      await clock.sleep(waitMs, stopped.signal);
    }
    await api?.close();
  }

  const looping = loop();
  return {
    async stop() {
      stopped.abort();
      await looping;
    },
  };
}

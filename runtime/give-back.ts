/** running → queued: for another worker to start anew; the attempt does not count. */
import type { Clock } from "../core/clock.ts";
import { tellUnsentBells } from "../core/queue/bounded-sends.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import type { RunEnds } from "../core/run-ends/run-ends.ts";
import type { Store } from "../core/store/database.ts";
import { releaseRuns } from "../core/store/runs/finish.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";

export interface GiverParts {
  facts: WorkerFacts;
  store: Store;
  transport: QueueTransport;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  ends: RunEnds;
}

/** Of many, a line names these. */
const LOGGED_RUNS = 20;

/** A queue that is away must not hold up a worker that stops. */
const RING_WAIT_MS = 2_000;

/** Rejects where the rows could not be written; a bell that was not sent is only logged. */
export async function giveBack(
  runs: { id: string; claimNo: number }[],
  { store, transport, clock, facts, log, metrics, ends }: GiverParts,
): Promise<void> {
  if (runs.length === 0) return;
  const given = await releaseRuns(store, facts.id, runs);
  const released = given.map(({ runId }) => runId);
  ends.tell(given);
  metrics.givenBack.inc(released.length);
  log.info({ runs: released.length, runIds: released.slice(0, LOGGED_RUNS) }, "gave back runs");
  const over = new AbortController();
  const rung = transport
    .ring(released.map((runId) => ({ runId, availableAt: clock.now() })))
    .catch(tellUnsentBells(log))
    .finally(() => over.abort());
  await Promise.race([rung, clock.sleep(RING_WAIT_MS, over.signal)]);
}

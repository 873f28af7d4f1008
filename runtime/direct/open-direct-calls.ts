/** Direct calls of a worker: combines its slots, its lease and its recording. */
import type { Clock } from "../../core/clock.ts";
import type { Store } from "../../core/store/database.ts";
import { MAX_CLAIMED_BYTES } from "../../core/store/runs/claimed-run.ts";
import { showDirectRun } from "../../core/store/runs/direct.ts";
import type { WorkerFacts } from "../../core/store/workers.ts";
import type { Logger } from "../../core/telemetry/log.ts";
import type { WorkerMetrics } from "../../core/telemetry/metrics/worker.ts";
import type { Heartbeat } from "../heartbeat.ts";
import type { InputRoom } from "../input-room.ts";
import type { WorkerLease } from "../lease.ts";
import type { Recording } from "../recording.ts";
import type { Slots } from "../slots.ts";
import type { Work } from "../work.ts";
import { createDirectCalls, type DirectCalls } from "./direct-calls.ts";
import type { Reservations } from "./reservations.ts";

export interface WorkerDirectParts {
  facts: WorkerFacts;
  store: Store;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  slots: Slots;
  room: InputRoom;
  lease: WorkerLease;
  heartbeat: Heartbeat;
  recording: Recording;
  reservations: Reservations;
  work: Work;
  /** The most a run of the revision may take; never rejects. */
  findTimeoutMs(revisionId: string): Promise<number>;
}

/** By then the first executor of a worker is usually up. */
const NEW_MS = 2_000;

export function openDirectCalls(parts: WorkerDirectParts): DirectCalls {
  const { facts, store, clock, log, metrics, slots, lease, heartbeat, recording, reservations } = parts;
  const enterRoom = (bytes: number) => (bytes > MAX_CLAIMED_BYTES ? parts.room.tryTake(bytes) : () => {});
  return createDirectCalls({
    enterRoom,
    isNew: () => lease.ageMs() < NEW_MS,
    ...{ clock, slots, totalSlots: facts.slots, findTimeoutMs: parts.findTimeoutMs },
    ...{ isDraining: heartbeat.isDraining, hasLease: lease.stands, watchLease: lease.watch },
    ...{ reserve: reservations.reserve, releaseSlot: () => slots.release(1) },
    show: (run) => showDirectRun(store, facts.id, run),
    work(run, way) {
      const ended = parts.work.runDirect(run, way);
      reservations.begun(run.id);
      return ended;
    },
    recordShown: recording.recordRunning,
    recordEnded: recording.recordUnseen,
    onEnd: (outcome) => metrics.directCalls.inc({ outcome }),
    onError: (error, runId) => log.error({ error, runId }, "a direct call met an error"),
  });
}

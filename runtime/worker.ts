/**
 * A worker: receives bells, claims runs into its free slots, runs them, records them. It holds nothing that a crash
 * could lose: its lease covers its runs. States: running → draining (receives nothing, finishes what it can) → gone.
 */
import type { Clock } from "../core/clock.ts";
import type { ReceiveMode } from "../core/domain/lane.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import { openRunEnds } from "../core/run-ends/open-run-ends.ts";
import type { Store } from "../core/store/database.ts";
import type { Listener } from "../core/store/listen.ts";
import type { Notifier } from "../core/store/notify.ts";
import type { EndedRun } from "../core/store/runs/end.ts";
import { loadSpec } from "../core/store/runs/load-spec.ts";
import type { WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import { countAttempts } from "./after-recording.ts";
import type { Runners } from "./attempt.ts";
import type { AttemptTracer } from "./attempt-trace.ts";
import { wantsMoreEnds } from "./batch-in-backlog.ts";
import type { CallerMeetings } from "./direct/caller-meetings.ts";
import type { DirectCalls } from "./direct/direct-calls.ts";
import { openDirectCalls } from "./direct/open-direct-calls.ts";
import { createReservations } from "./direct/reservations.ts";
import { createDrain } from "./drain.ts";
import type { EventIntake } from "./events/event-intake.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { createInputRoom, roomOfHeap } from "./input-room.ts";
import { createWorkerLease } from "./lease.ts";
import { createOwnedRuns } from "./owned-runs.ts";
import { createReceiving } from "./receiving.ts";
import { createRecording } from "./recording.ts";
import type { TaskRunner } from "./runners/task-runner.ts";
import { withLoadedSpec } from "./runners/with-loaded-spec.ts";
import { createRunningAttempts } from "./running-attempts.ts";
import { createSlots } from "./slots.ts";
import { createWork } from "./work.ts";
import { startWorkerLoops } from "./worker-loops.ts";

export interface WorkerParts {
  facts: WorkerFacts;
  /** What has to be known before it takes its lease: it is made meanwhile. Where that rejects, so does the start. */
  mayWork?: Promise<unknown>;
  /** Called as soon as it has its first lease. */
  onLease?(): void;
  receive: ReceiveMode;
  /** From an event no run is claimed that may take longer. */
  eventsWindowMs: number;
  /** Of large inputs at a time. Default: a share of the heap. */
  inputRoomBytes?: number;
  leaseMs: number;
  drainMs: number;
  store: Store;
  transport: QueueTransport;
  notifier: Notifier;
  listener: Listener;
  runners: Runners;
  clock: Clock;
  /** Takes the database's word of its time. */
  hearTime?: ((word: { at: Date }, askedMs: number) => void) | undefined;
  log: Logger;
  metrics: WorkerMetrics;
  traceAttempt: AttemptTracer;
  /** Called before anybody is told where the worker is reached: it takes calls that do not go through the queue. */
  serveDirect?(directCalls: DirectCalls): void;
  /** Where callers of runs that it claims may be asked for. */
  callers?: CallerMeetings | undefined;
  /** The most a run of the revision may take, where calls come directly. */
  findTimeoutMs(revisionId: string): Promise<number>;
}

export interface Worker {
  /** Where it takes events, if those are what it receives. */
  events?: EventIntake;
  /** Receives nothing more; resolves when what it has is finished, however long that takes. Then stop it. */
  retire(): Promise<void>;
  /** Drains: finishes what it can within the grace, gives back the rest, lets its lease go. */
  stop(): Promise<void>;
}

export async function startWorker(parts: WorkerParts): Promise<Worker> {
  const { facts, store, clock, metrics, listener, leaseMs } = parts;
  const room = createInputRoom(parts.inputRoomBytes ?? roomOfHeap());
  const slots = createSlots(facts.slots, room);
  const running = createRunningAttempts();
  const lease = createWorkerLease(leaseMs, clock);
  const heartbeat = createHeartbeat({ ...parts, slots, lease });
  const traceOf = ({ runId: id, claimNo }: EndedRun) => running.find({ id, claimNo })?.span.logFields ?? {};
  const ends = openRunEnds({ ...parts, traceOf }, [countAttempts({ ...parts, running })]);
  const recording = createRecording({
    ...{ ...parts, running, ends },
    wantsMoreEnds: (ended) =>
      wantsMoreEnds({
        ...{ slots: slots.total, inWork: slots.inWork(), hasBacklog: receiving.hasBacklog(), ended },
      }),
  });
  const withInput = (runner: TaskRunner) => withLoadedSpec(runner, (run) => loadSpec(store, run), clock);
  const work = createWork({
    ...{ ...parts, slots, room, running },
    runners: {
      http: withInput(parts.runners.http),
      email: withInput(parts.runners.email),
      function: withInput(parts.runners.function),
    },
    recordClaimed: recording.recordRunning,
  });
  const receiving = createReceiving(
    { ...parts, ends, lease, renewLease: heartbeat.keepUp },
    slots,
    work.runClaimed,
  );
  const reservations = createReservations(store, facts.id);
  const ownedRuns = createOwnedRuns({
    ...{ ...parts, running, ends },
    isReserved: reservations.has,
    whenReservedBegun: reservations.whenBegun,
    whenClaimed: receiving.whenClaimed,
  });

  metrics.watch(() => ({
    slots: facts.slots,
    busySlots: facts.slots - slots.free(),
    recording: running.all().filter(({ isEnded }) => isEnded).length,
  }));
  parts.serveDirect?.(
    openDirectCalls({ ...parts, slots, room, lease, heartbeat, recording, reservations, work }),
  );
  await parts.mayWork;
  await heartbeat.beat();
  parts.onLease?.();
  listener.on("bellhop_cancel", ({ ids, resync }) =>
    resync ? void ownedRuns.findCancels() : ownedRuns.cancel(ids),
  );
  const loops = startWorkerLoops({ ...parts, slots, running, heartbeat, receiving, ownedRuns });
  await receiving.begin();
  const drain = createDrain({
    ...{ ...parts, slots, running, receiving, ownedRuns, recording, heartbeat, loops, ends },
  });
  return { ...drain, ...(receiving.events ? { events: receiving.events } : {}) };
}

/**
 * A worker: receives bells, claims runs into its free slots, runs them, records them. It keeps nothing that a crash
 * could lose: what it runs is its lease's. States: running → draining (receives nothing, finishes what it can) → gone.
 */
import type { Clock } from "../core/clock.ts";
import { closeInTime } from "../core/close-in-time.ts";
import type { ReceiveMode } from "../core/domain/lane.ts";
import { unsentLevel } from "../core/queue/bounded-sends.ts";
import type { QueueTransport } from "../core/queue/transport.ts";
import type { Store } from "../core/store/database.ts";
import type { Listener } from "../core/store/listen.ts";
import type { Notifier } from "../core/store/notify.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import {
  type DirectRun,
  type FinishedDirectRun,
  type Reservation,
  recordDirectRuns,
  reserveDirectRun,
  showDirectRun,
} from "../core/store/runs/direct.ts";
import { type FinishedAttempt, type FinishReport, finishAttempts } from "../core/store/runs/finish.ts";
import { offerRoom } from "../core/store/runs/room.ts";
import { removeWorker, renewLease, type WorkerFacts } from "../core/store/workers.ts";
import type { Logger } from "../core/telemetry/log.ts";
import type { WorkerMetrics } from "../core/telemetry/metrics/worker.ts";
import type { Span } from "../core/telemetry/tracing.ts";
import { afterRecording } from "./after-recording.ts";
import { AttemptStop, type Runners, runAttempt } from "./attempt.ts";
import { type AttemptTracer, endAttemptSpan, runFields } from "./attempt-trace.ts";
import { createDirectCalls, type DirectCalls } from "./direct/direct-calls.ts";
import type { EventIntake, RunEnd } from "./events/event-intake.ts";
import { giveBack } from "./give-back.ts";
import { createWorkerLease } from "./lease.ts";
import { measureRecording } from "./measured-store.ts";
import { createOwnedRuns } from "./owned-runs.ts";
import { createReceiving } from "./receiving.ts";
import { createRecorder } from "./recorder.ts";
import { createRoomOffers } from "./room-offers.ts";
import { createRunningAttempts, isLost, type RunningAttempt } from "./running-attempts.ts";
import type { HttpCall } from "./sandbox/invocation.ts";
import { createSlots } from "./slots.ts";

export interface WorkerParts {
  facts: WorkerFacts;
  receive: ReceiveMode;
  /** From an event no run is claimed that may take longer. */
  eventsWindowMs: number;
  leaseMs: number;
  drainMs: number;
  store: Store;
  transport: QueueTransport;
  notifier: Notifier;
  listener: Listener;
  runners: Runners;
  clock: Clock;
  log: Logger;
  metrics: WorkerMetrics;
  traceAttempt: AttemptTracer;
  /** Called before anybody is told where the worker is reached: it takes calls that do not go through the queue. */
  serveDirect?(directCalls: DirectCalls): void;
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

/** An idle worker looks for overdue runs this often: the bell behind the bell. */
const SWEEP_MS = 2_000;
/** A worker whose slots were taken or freed tells it this often. */
const LOAD_MS = 1_000;
/** After a failed heartbeat the next one comes this soon: the lease runs on. */
const BEAT_RETRY_MS = 500;
/** A database that is away must not keep a stopping worker for ever: its lease is the answer. */
const FLUSH_MS = 30_000;

/** Attempts that were stopped take no longer than this to end. */
const STOP_MS = 2_500;

/** What may differ between runs: where they come from and how they are written. */
interface Way {
  isDirect: boolean;
  http?: HttpCall;
  record(attempt: FinishedAttempt): Promise<unknown>;
  /** Aborts with an `AttemptStop` where the run must not go on. */
  stopped?: AbortSignal;
  isInTable(): boolean;
}

export async function startWorker(parts: WorkerParts): Promise<Worker> {
  const { facts, store, clock, log, metrics, transport, listener } = parts;
  const slots = createSlots(facts.slots);
  const lease = createWorkerLease(parts.leaseMs, clock);
  const running = createRunningAttempts();
  /** Direct runs that are written as running, or about to be, and not begun. */
  const reserved = new Set<string>();
  const stopped = new AbortController();
  let draining = false;

  metrics.watch(() => ({
    slots: facts.slots,
    busySlots: facts.slots - slots.free(),
    recording: running.all().filter(({ isEnded }) => isEnded).length,
  }));

  const recording = {
    recorded: (attempts: FinishedAttempt[], report: FinishReport) =>
      afterRecording(
        {
          ...{ metrics, log, transport, notifier: parts.notifier },
          find: ({ runId, claimNo }) => running.find({ id: runId, claimNo }),
        },
        attempts,
        report,
      ),
    failed(error: unknown) {
      metrics.recordingErrors.inc();
      log.error({ error }, "runs could not be recorded; tried again soon");
    },
  };
  const recorder = createRecorder<FinishedAttempt>(
    measureRecording((attempts) => finishAttempts(store, facts.id, attempts), metrics),
    clock,
    recording,
  );
  const endedRecorder = createRecorder(
    measureRecording((runs: FinishedDirectRun[]) => recordDirectRuns(store, facts.id, runs), metrics),
    clock,
    recording,
  );
  const claimed: Way = {
    isDirect: false,
    isInTable: () => true,
    record: (attempt) => recorder.record(attempt),
  };

  const roomOffers = createRoomOffers(
    (functionIds) => offerRoom(store, functionIds),
    (bells) => transport.ring(bells),
    (error) => log[unsentLevel(error)]({ error }, "room was not offered, or not rung; the scheduler does it"),
  );

  async function work(run: ClaimedRun, way: Way, span: Span): Promise<RunEnd> {
    log.debug({ ...runFields(run, span), type: run.spec.type }, "attempt begins");
    const mine = running.begin({ run, span, isDirect: way.isDirect, isInTable: way.isInTable });
    reserved.delete(run.id);
    way.stopped?.addEventListener("abort", () => mine.stop.abort(way.stopped!.reason));
    if (run.attempt === 1 && !way.isDirect) {
      metrics.lateness.observe(Math.max(run.startedAt.getTime() - run.scheduledFor.getTime(), 0) / 1_000);
    }
    try {
      const attempt = await runAttempt(run, parts.runners, mine.stop, facts.id, clock, {
        http: way.http,
        span,
      });
      mine.isEnded = true;
      endAttemptSpan(span, attempt);
      if (attempt) await way.record(attempt);
      else if (isLost(mine)) metrics.dropped.inc();
      if (run.holdsRoom && run.functionId !== null) roomOffers.add(run.functionId);
      return attempt ? "recorded" : "given_back";
    } finally {
      running.leave(mine);
      slots.release(1);
    }
  }

  const receivingParts = { ...parts, lease, renewLease: () => renew() };
  const receiving = createReceiving(receivingParts, slots, (run) => {
    const span = parts.traceAttempt(run, false);
    return work(run, claimed, span).catch((error) => {
      log.error({ error, ...runFields(run, span) }, "a run was left to its lease");
      throw error;
    });
  });

  const ownedRuns = createOwnedRuns({
    ...{ ...parts, running },
    isReserved: (runId) => reserved.has(runId),
    whenClaimed: () => receiving.whenClaimed(),
  });

  let toldBusy = 0;
  /** The peak since the last word, not the moment: calls of a few milliseconds would hardly ever be seen. */
  async function renew(busy = slots.peak()): Promise<void> {
    const renewed = lease.renewing();
    await renewLease(store.leaseDb, { ...facts, busy }, parts.leaseMs, draining);
    renewed();
    toldBusy = busy;
  }

  async function tellLoad(): Promise<void> {
    const busy = slots.peak();
    if (busy !== toldBusy) await renew(busy);
  }

  /** First stopped, then given back: two workers must not be at the same run. Those handed over end here. */
  async function letGo(left: RunningAttempt[]): Promise<void> {
    for (const { stop, isDirect } of left) stop.abort(new AttemptStop(isDirect ? "shutdown" : "released"));
    const runs = left
      .filter(({ isDirect }) => !isDirect)
      .map(({ run }) => ({ id: run.id, claimNo: run.claimNo }));
    await giveBack(runs, parts).catch((error) =>
      log.warn({ error }, "runs could not be given back; they are left to the lease"),
    );
  }

  async function repeat(everyMs: number, pass: () => Promise<void> | void): Promise<void> {
    let waitMs = everyMs;
    while (!stopped.signal.aborted) {
      await clock.sleep(waitMs, stopped.signal);
      if (stopped.signal.aborted) return;
      waitMs = everyMs;
      try {
        await pass();
      } catch (error) {
        waitMs = Math.min(everyMs, BEAT_RETRY_MS);
        metrics.heartbeatErrors.inc();
        log.warn({ error }, "the worker's heartbeat or sweep failed; tried again soon");
      }
    }
  }

  async function reserve(run: DirectRun): Promise<Reservation> {
    reserved.add(run.id);
    let reservation: Reservation = "no_room";
    try {
      reservation = await reserveDirectRun(store, facts.id, run);
      return reservation;
    } finally {
      if (reservation !== "reserved") reserved.delete(run.id);
    }
  }

  const directCalls = createDirectCalls({
    ...{ clock, slots, totalSlots: facts.slots },
    ...{ isDraining: () => draining, releaseSlot: () => slots.release(1) },
    hasLease: () => lease.stands(),
    watchLease: () => lease.watch(),
    work: (run, way) => work(run, way, parts.traceAttempt(run, true)),
    findTimeoutMs: parts.findTimeoutMs,
    show: (run) => showDirectRun(store, facts.id, run),
    reserve,
    recordShown: (attempt) => recorder.record(attempt),
    recordEnded: (run) => endedRecorder.record(run),
    onEnd: (outcome) => metrics.directCalls.inc({ outcome }),
    onError: (error, runId) => log.error({ error, runId }, "a direct call met an error"),
  });

  parts.serveDirect?.(directCalls);
  await renew();
  parts.notifier.notify("bellhop_workers");
  listener.on("bellhop_cancel", ({ ids, resync }) =>
    resync ? void ownedRuns.findCancels() : running.cancel(ids),
  );
  const loops = [
    repeat(parts.leaseMs / 3, () => renew()),
    repeat(parts.leaseMs / 3, () => ownedRuns.settle()),
    repeat(LOAD_MS, tellLoad),
    repeat(SWEEP_MS, () => receiving.sweep()),
  ];
  await receiving.begin();

  let receivingEnds: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  /** Once: a retired worker that is stopped goes on from here. */
  function receiveNoMore(): Promise<void> {
    closing ??= closeIntake();
    return closing;
  }

  async function closeIntake(): Promise<void> {
    draining = true;
    const { claimed: claimsDone, ended } = receiving.stop();
    receivingEnds = ended;
    await claimsDone;
    await renew().catch(() => undefined);
    await closeInTime(
      ownedRuns.settle().then(() => ownedRuns.flush()),
      clock,
    );
    parts.notifier.notify("bellhop_workers");
  }

  return {
    ...(receiving.events ? { events: receiving.events } : {}),
    async retire() {
      await receiveNoMore();
      await slots.whenIdle();
    },
    async stop() {
      await receiveNoMore();
      const grace = new AbortController();
      await Promise.race([slots.whenIdle(), clock.sleep(parts.drainMs, grace.signal)]);
      await letGo(running.all().filter(({ isEnded }) => !isEnded));
      // Those that end here are recorded before the worker goes.
      await Promise.race([slots.whenIdle(), clock.sleep(STOP_MS, grace.signal)]);
      await receivingEnds;
      // The heart beats until the last row is written: a run that is recorded late must still be this worker's.
      const flushed = Promise.all([recorder.flush(), endedRecorder.flush()]).then(() => roomOffers.flush());
      await Promise.race([flushed, clock.sleep(FLUSH_MS, grace.signal)]);
      grace.abort();
      stopped.abort();
      await closeInTime(Promise.all(loops), clock);
      await removeWorker(store.leaseDb, facts.id).catch((error) =>
        log.warn({ error }, "the lease is left to run out"),
      );
    },
  };
}

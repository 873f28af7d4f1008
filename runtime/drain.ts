/**
 * How a worker ends. States: receiving → draining (takes nothing more, finishes what it can) → letting go (the rest is
 * stopped, and given back if another worker may start it) → recording (the last rows) → gone. It sends heartbeats until
 * the last row is written: a run that is recorded late must still be its own.
 */
import { closeInTime } from "../core/close-in-time.ts";
import type { Notifier } from "../core/store/notify.ts";
import { AttemptStop } from "./attempt-stop.ts";
import { type GiverParts, giveBack } from "./give-back.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { Loops } from "./loops.ts";
import type { OwnedRuns } from "./owned-runs.ts";
import type { Receiving } from "./receiving.ts";
import type { Recording } from "./recording.ts";
import type { RunningAttempt, RunningAttempts } from "./running-attempts.ts";
import type { Slots } from "./slots.ts";

export interface DrainParts extends GiverParts {
  /** How long attempts under way may go on. */
  drainMs: number;
  notifier: Notifier;
  slots: Slots;
  running: RunningAttempts;
  receiving: Receiving;
  ownedRuns: OwnedRuns;
  recording: Recording;
  heartbeat: Heartbeat;
  loops: Loops;
}

export interface Drain {
  /** Receives nothing more; resolves when what the worker has is finished, however long that takes. */
  retire(): Promise<void>;
  /** Finishes what it can within the grace, gives back the rest, lets the lease go. */
  stop(): Promise<void>;
}

/** Attempts that were stopped take no longer than this to end. */
const STOP_MS = 2_500;
/** A database that is away must not keep a stopping worker for ever: its lease is the answer. */
const FLUSH_MS = 30_000;

export function createDrain(parts: DrainParts): Drain {
  const { clock, log, notifier, slots, running, receiving, ownedRuns, recording, heartbeat, loops } = parts;
  let closing: Promise<void> | undefined;
  let consumptionEnds: Promise<void> | undefined;

  /** Once: a retired worker that is stopped goes on from here. */
  function receiveNoMore(): Promise<void> {
    closing ??= closeIntake();
    return closing;
  }

  async function closeIntake(): Promise<void> {
    heartbeat.startDraining();
    const { claimed, ended } = receiving.stop();
    consumptionEnds = ended;
    await claimed;
    await heartbeat.beat().catch(() => undefined);
    await closeInTime(
      ownedRuns.settle().then(() => ownedRuns.flush()),
      clock,
    );
    notifier.notify("bellhop_workers");
  }

  /** First stopped, then given back: two workers must not be at the same run. Those handed over end here. */
  async function letGo(): Promise<void> {
    const left = running.all().filter(({ isEnded }) => !isEnded);
    for (const attempt of left)
      attempt.stop.abort(new AttemptStop(answersCaller(attempt) ? "shutdown" : "released"));
    const runs = left
      .filter((attempt) => !answersCaller(attempt))
      .map(({ run }) => ({ id: run.id, claimNo: run.claimNo }));
    await giveBack(runs, parts).catch((error) =>
      log.warn({ error }, "runs could not be given back; they are left to the lease"),
    );
  }

  const answersCaller = ({ isDirect, hasBegunCaller }: RunningAttempt) =>
    isDirect || hasBegunCaller?.() === true;

  return {
    async retire() {
      await receiveNoMore();
      await slots.whenIdle();
    },
    async stop() {
      await receiveNoMore();
      const over = new AbortController();
      const within = (ms: number, done: Promise<unknown>) =>
        Promise.race([done, clock.sleep(ms, over.signal)]);
      await within(parts.drainMs, slots.whenIdle());
      await letGo();
      // Those that end here are recorded before the worker goes.
      await within(STOP_MS, slots.whenIdle());
      await consumptionEnds;
      await within(FLUSH_MS, recording.flush());
      over.abort();
      await closeInTime(loops.stop(), clock);
      await heartbeat.leave();
    },
  };
}

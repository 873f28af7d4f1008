/** As runtime/work.ts and runtime/recorder.ts: what a worker does with a run it has claimed, until that is recorded. */
import { type AttemptEnd, failed, succeeded } from "../../../core/domain/attempt.ts";
import { decideVerdict } from "../../../core/domain/retry.ts";
import type { ClaimedRun as StoredRun } from "../../../core/store/runs/claim.ts";
import { NO_SPAN } from "../../../core/telemetry/tracing.ts";
import { AttemptStop } from "../../../runtime/attempt-stop.ts";
import type { RunningAttempt } from "../../../runtime/running-attempts.ts";
import type { ClaimedRun } from "../database/claim.ts";
import { type FinishedAttempt, type FinishReport, finishAttempts, policyOf } from "../database/finish.ts";
import { drawFrom } from "../simulation/draw.ts";
import { ConnectionLost, restUntil, type Script } from "../simulation/script.ts";
import { letGo } from "./scheduler.ts";
import type { Worker } from "./worker.ts";

const RETRY_MS = 50;

/** How attempts go. */
export interface AttemptWeather {
  /** Each as likely. */
  durationsMs: readonly number[];
  failRate: number;
}

interface EndedAttempt {
  mine: RunningAttempt;
  finished: FinishedAttempt;
  leaveSlot(): void;
}

export function createAttempts(worker: Worker) {
  const { world, process, slots, running } = worker;
  const ended: EndedAttempt[] = [];

  function leave(mine: RunningAttempt, leaveSlot: () => void): void {
    running.leave(mine);
    leaveSlot();
    world.signal(process, "work");
    world.signal(process, "left");
  }

  const keyOf = ({ id, claimNo }: ClaimedRun) => ({
    ...{ runId: id, claimNo, process, incarnation: process.incarnation },
  });

  function* attempt(claimed: ClaimedRun, mine: RunningAttempt, stopSignal: string): Script {
    const key = keyOf(claimed);
    const { durationMs, fails } = drawAttempt(claimed, worker.attempts);
    if (!mine.stop.aborted) yield* restUntil(world.nowMs + durationMs, stopSignal);
    world.listener.ended(key);
    if (isGivenUp(mine)) return leave(mine, () => slots.release(1));
    mine.isEnded = true;
    const outcome = judge(mine, fails);
    const { run, task } = claimed;
    const facts = { ...policyOf(task), attempt: run.attempt - run.attemptOffset };
    const now = new Date(world.nowMs + process.clockOffsetMs);
    ended.push({
      mine,
      finished: { ...key, permits: run.permits, verdict: decideVerdict(outcome, facts, now) },
      leaveSlot: slots.beginRecording(0),
    });
    world.signal(process, "work");
    world.signal(process, "record");
  }

  function* write(batch: readonly EndedAttempt[]): Script<FinishReport> {
    for (;;) {
      try {
        return yield* finishAttempts(
          world,
          worker.id,
          batch.map(({ finished }) => finished),
        );
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        yield* restUntil(world.nowMs + RETRY_MS);
      }
    }
  }

  return {
    /** A claimed run begins in its slot. */
    begin(claimed: ClaimedRun): void {
      const stopSignal = `stop ${claimed.id}/${claimed.claimNo}`;
      // Of a claimed run they keep its number and its claim's, and look at no more.
      const run = { id: claimed.id, claimNo: claimed.claimNo } as StoredRun;
      const mine = running.begin({ run, span: NO_SPAN, isDirect: false, isInTable: () => true });
      mine.stop.onAbort(() => {
        // It is stopped before its worker asks that it be given back.
        if (isGivenUp(mine)) world.listener.ended(keyOf(claimed));
        world.signal(process, stopSignal);
      });
      // In the same breath as the look at the lease: a worker that is stopped between the two may go on beside another.
      world.listener.began(keyOf(claimed), claimed);
      world.spawn(process, `run ${claimed.id}/${claimed.claimNo}`, attempt(claimed, mine, stopSignal));
    },
    *record(): Script {
      for (;;) {
        if (ended.length === 0) yield* restUntil(Number.POSITIVE_INFINITY, "record");
        const batch = ended.splice(0);
        if (batch.length === 0) continue;
        const { wantedKeys, wakesScheduler } = yield* write(batch);
        for (const { mine, leaveSlot } of batch) leave(mine, leaveSlot);
        if (wakesScheduler) world.notify("bellhop_schedule");
        try {
          yield* letGo(world, wantedKeys);
        } catch (error) {
          if (!(error instanceof ConnectionLost)) throw error;
        }
      }
    },
  };
}

/** As runtime/attempt.ts: nothing is recorded of an attempt that was lost, or released. */
const isGivenUp = ({ stop: { reason } }: RunningAttempt): boolean =>
  reason instanceof AttemptStop && ["lost", "released"].includes(reason.reason);

function judge({ stop: { reason } }: RunningAttempt, fails: boolean): AttemptEnd {
  if (reason instanceof AttemptStop) return { kind: "cancelled" };
  return fails ? failed("http_status", "The target answered 500.", { retryable: true }) : succeeded(null);
}

/** The same each time the same attempt comes: a trace that is cut short still means the same. */
function drawAttempt(
  { id, claimNo }: ClaimedRun,
  { durationsMs, failRate }: AttemptWeather,
): { durationMs: number; fails: boolean } {
  const drawn = drawFrom(`${id}/${claimNo}`);
  return {
    durationMs: durationsMs[Math.floor(drawn * durationsMs.length)]!,
    fails: (drawn * 997) % 1 < failRate,
  };
}

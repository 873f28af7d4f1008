/**
 * The attempts that a worker executes. An attempt: begun → ended (on its way to its row) → gone; or begun → lost, when
 * the table says that its run no longer belongs to this worker: then it is stopped and records nothing.
 */
import { LazyAbort } from "../core/lazy-abort.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import type { OwnedRun } from "../core/store/runs/owned.ts";
import type { Span } from "../core/telemetry/tracing.ts";
import { AttemptStop } from "./attempt-stop.ts";

export interface RunningAttempt {
  run: ClaimedRun;
  span: Span;
  stop: LazyAbort;
  /** Ended, and on its way to its row: it is not given back any more. */
  isEnded: boolean;
  /** Its caller handed it over: it is not given back. */
  isDirect: boolean;
  /** Of one that was claimed and met its caller: once something went over it is not given back either. */
  hasBegunCaller?(): boolean;
  /** Whether its row is known to be in the table. */
  isInTable(): boolean;
}

type ClaimKey = Pick<OwnedRun, "id" | "claimNo">;

/** Whether it was stopped because its run is not this worker's any more. */
export function isLost({ stop: { reason } }: RunningAttempt): boolean {
  return reason instanceof AttemptStop && reason.reason === "lost";
}

export interface RunningAttempts {
  /** An older attempt of the same run here is one that was lost. */
  begin(attempt: Omit<RunningAttempt, "stop" | "isEnded" | "hasBegunCaller">): RunningAttempt;
  leave(attempt: RunningAttempt): void;
  find(claim: ClaimKey): RunningAttempt | undefined;
  /** Under whatever claim. */
  has(runId: string): boolean;
  all(): RunningAttempt[];
  cancel(runIds: string[]): void;
  /** Those whose rows a look at the table that begins now must find. */
  listKnown(): RunningAttempt[];
  /** Stops those of `known` that the look did not find among this worker's; how many. */
  stopLost(known: RunningAttempt[], owned: ClaimKey[]): number;
}

export function createRunningAttempts(): RunningAttempts {
  const byRun = new Map<string, RunningAttempt>();
  const find = ({ id, claimNo }: ClaimKey) => {
    const found = byRun.get(id);
    return found?.run.claimNo === claimNo ? found : undefined;
  };
  const lose = ({ stop }: RunningAttempt) => stop.abort(new AttemptStop("lost"));
  return {
    begin(attempt) {
      const begun = { ...attempt, stop: new LazyAbort(), isEnded: false };
      const older = byRun.get(attempt.run.id);
      if (older) lose(older);
      byRun.set(attempt.run.id, begun);
      return begun;
    },
    leave(attempt) {
      if (byRun.get(attempt.run.id) === attempt) byRun.delete(attempt.run.id);
    },
    find,
    has: (runId) => byRun.has(runId),
    all: () => [...byRun.values()],
    cancel(runIds) {
      for (const id of runIds) byRun.get(id)?.stop.abort(new AttemptStop("cancelled"));
    },
    listKnown: () => [...byRun.values()].filter((attempt) => !attempt.isEnded && attempt.isInTable()),
    stopLost(known, owned) {
      const ownedIds = new Map(owned.map(({ id, claimNo }) => [id, claimNo]));
      const lost = known.filter(
        (attempt) =>
          ownedIds.get(attempt.run.id) !== attempt.run.claimNo &&
          // It may have ended, or been stopped, while the table was asked.
          !attempt.isEnded &&
          !attempt.stop.aborted,
      );
      for (const attempt of lost) lose(attempt);
      return lost.length;
    },
  };
}

/**
 * Detects whether nothing happens. While there is nothing to do, jobs that serve runs, or follow their ends, run less
 * often: an idle installation costs hardly anything. One cheap query per second, and bells, show that there is
 * something to do again; then all of them run at once, so that nothing waits longer for them than it would have.
 *
 * lively → quiet, after `QUIET_AFTER_MS` without work → asleep, if no worker was called for as long either → quiet, as
 * soon as one is → lively, as soon as there is work.
 */
import type { Clock } from "../core/clock.ts";
import type { Listener } from "../core/store/listen.ts";
import type { Surroundings } from "../core/store/look-around.ts";
import { createTurns } from "./turns.ts";

export const WORK_LOOK_MS = 1_000;
/** What follows the ends of runs has been done by then, however it came about. */
const QUIET_AFTER_MS = 10_000;
/** While it is quiet those jobs look a third as often, and never more often than this. */
const QUIET_FACTOR = 3;
export const QUIET_MS = 10_000;
/** While it is asleep most look this often: what is to be done is seen by the look each second, and what is not was done before. */
export const ASLEEP_MS = 60_000;
/** … and this often those that would find nothing but what that look tells of: in case it lacks something. */
export const PATIENT_MS = 600_000;

/** What a job is for: open runs; what runs leave behind, also those of calls that were never open; shares of slots. */
export type Purpose = "work" | "runs" | "shares";
export type Found = Pick<Surroundings, "hasWork" | "hasCalls" | "hasShares">;

export interface Quiet {
  /** What a look has found. */
  note(found: Found): void;
  /** Something has happened that no look may have seen, or nobody knows. */
  stir(): void;
  isAsleep(): boolean;
  /** How long to rest where a lively loop would rest for `ms`, and for `asleepMs` while nothing goes on. */
  stretch(ms: number, purpose?: Purpose, asleepMs?: number): number;
  /** `act` is called whenever rests become shorter. */
  onLively(act: () => void): void;
  /**
   * Where it is asleep, those who ask begin one after another, so that all of them do with one connection. Whom `stopping`
   * meets while it waits does not begin.
   */
  inTurn<Answer>(act: () => Promise<Answer>, stopping: AbortSignal): Promise<Answer | undefined>;
  /** The same for who does not wait its turn: where it is asleep, it waits for who has begun, for a moment at most. */
  promptly<Answer>(act: () => Promise<Answer>, stopping: AbortSignal): Promise<Answer | undefined>;
}

type State = "asleep" | "quiet" | "lively";
const LIVELINESS: Record<State, number> = { asleep: 0, quiet: 1, lively: 2 };

export function createQuiet(clock: Pick<Clock, "steadyMs" | "after">): Quiet {
  let workMs = clock.steadyMs();
  let callsMs = workMs;
  let hasShares = true;
  let state: State = "lively";
  const turns = createTurns(clock);
  const acts: (() => void)[] = [];

  function decide(nowMs: number): State {
    if (nowMs - workMs < QUIET_AFTER_MS) return "lively";
    return nowMs - callsMs < QUIET_AFTER_MS ? "quiet" : "asleep";
  }

  function liven(): void {
    turns.hurry();
    for (const act of acts) act();
  }

  function note(found: Found): void {
    const nowMs = clock.steadyMs();
    if (found.hasWork) workMs = nowMs;
    if (found.hasCalls) callsMs = nowMs;
    const before = { state, hasShares };
    state = decide(nowMs);
    hasShares = found.hasShares;
    if (LIVELINESS[state] > LIVELINESS[before.state] || (hasShares && !before.hasShares)) liven();
  }

  function stretch(ms: number, purpose: Purpose = "work", asleepMs = ASLEEP_MS): number {
    if (purpose === "shares") return hasShares ? ms : Math.max(ms, asleepMs);
    if (state === "asleep") return Math.max(ms, asleepMs);
    return state === "quiet" && purpose === "work" ? Math.max(ms * QUIET_FACTOR, QUIET_MS) : ms;
  }

  return {
    note,
    stir: () => note({ hasWork: true, hasCalls: false, hasShares }),
    isAsleep: () => state === "asleep",
    stretch,
    onLively: (act) => void acts.push(act),
    inTurn: (act, stopping) => (state === "asleep" ? turns.take(act, stopping) : act()),
    promptly: (act, stopping) => (state === "asleep" ? turns.takeFirst(act, stopping) : act()),
  };
}

/** Who wakes by so little before a round, as a timer may, has come with it. */
const EARLY_MS = 1_000;

/** How long until the next multiple of a period: loops that rest as long wake together. Pure. */
export function untilRound(everyMs: number, nowMs: number): number {
  const leftMs = everyMs - (nowMs % everyMs);
  return leftMs < EARLY_MS ? leftMs + everyMs : leftMs;
}

/** Of a run that failed while nothing seemed to go on. A listener that polls calls again and again, whatever has happened. */
export function stirAtFailures(listener: Pick<Listener, "on">, quiet: Quiet): void {
  listener.on("bellhop_failures", ({ resync }) => {
    if (!resync) quiet.stir();
  });
}

/** Where instants come by another clock than the database's, nothing but a look of each job tells what is to be done. */
export const NEVER_QUIET: Quiet = {
  note() {},
  stir() {},
  isAsleep: () => false,
  stretch: (ms) => ms,
  onLively() {},
  inTurn: (act) => act(),
  promptly: (act) => act(),
};

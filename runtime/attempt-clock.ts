/**
 * The time of one attempt. It runs from the start; `hold` stops it while the run waits for room in its worker, and
 * `begin` restarts it from zero: the author limits how long an attempt may take, not how long a worker is busy. The
 * run's own deadline is never stopped.
 */
import type { Clock } from "../core/clock.ts";

export interface AttemptClock {
  /** When the attempt is over; while it is held, when it would be if it began now. */
  readonly deadlineAt: Date;
  /** Once; what is held is over as `no_room` after `roomWaitMs`. */
  hold(): void;
  begin(): void;
  end(): void;
}

/**
 * How long a run waits in its worker, for a place in the sandbox say, until its attempt is given up: as long as its own
 * timeout, because the runs before it may take as long, and at least 30 s.
 */
export const roomWaitMs = (timeoutMs: number) => Math.max(timeoutMs, 30_000);

export interface AttemptTimes {
  /** What the attempt may take. */
  timeoutMs: number;
  /** Until the run's deadline; null: it has none. */
  leftMs: number | null;
}

export const startAttemptClock = (
  clock: Clock,
  times: AttemptTimes,
  onOver: (what: Over) => void,
): AttemptClock => new RunningClock(clock, times, onOver);

type Over = "timeout" | "no_room";

/** A class: each attempt has one, and closures over as many variables weigh several times as much. */
class RunningClock implements AttemptClock {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onOver: (what: Over) => void;
  /** By the steady clock, as all instants here: when the run must be over. */
  readonly #endsMs: number;
  #isHeld = false;
  #isOver = false;
  /** When it is over as things stand, and as what. */
  #overAtMs = 0;
  #overAs: Over = "timeout";
  #ringsAtMs = Infinity;
  #forget: (() => void) | undefined;

  constructor(clock: Clock, { timeoutMs, leftMs }: AttemptTimes, onOver: (what: Over) => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onOver = onOver;
    const nowMs = clock.steadyMs();
    this.#endsMs = leftMs === null ? Infinity : nowMs + leftMs;
    this.#setEnd(this.#timeLeftMs(nowMs), "timeout", nowMs);
  }

  get deadlineAt(): Date {
    const nowMs = this.#clock.steadyMs();
    const ms = this.#isHeld ? this.#timeLeftMs(nowMs) : this.#overAtMs - nowMs;
    return new Date(this.#clock.now().getTime() + ms);
  }

  hold(): void {
    this.#isHeld = true;
    const nowMs = this.#clock.steadyMs();
    const endMs = this.#endsMs - nowMs;
    const waitMs = roomWaitMs(this.#timeoutMs);
    if (endMs < waitMs) this.#setEnd(endMs, "timeout", nowMs);
    else this.#setEnd(waitMs, "no_room", nowMs);
  }

  begin(): void {
    // A run that was left behind may still get its place.
    if (this.#isOver) return;
    this.#isHeld = false;
    const nowMs = this.#clock.steadyMs();
    this.#setEnd(this.#timeLeftMs(nowMs), "timeout", nowMs);
  }

  end(): void {
    this.#isOver = true;
    this.#forget?.();
  }

  #timeLeftMs(nowMs: number): number {
    return Math.min(this.#timeoutMs, this.#endsMs - nowMs);
  }

  /** A timer that rings too early stays: it looks again, and most attempts have ended by then. */
  #setEnd(inMs: number, as: Over, nowMs: number): void {
    this.#overAtMs = nowMs + inMs;
    this.#overAs = as;
    if (this.#ringsAtMs <= this.#overAtMs) return;
    this.#forget?.();
    this.#arm(inMs, nowMs);
  }

  #arm(inMs: number, nowMs: number): void {
    this.#ringsAtMs = nowMs + inMs;
    this.#forget = this.#clock.after(inMs, () => this.#look());
  }

  #look(): void {
    this.#ringsAtMs = Infinity;
    const nowMs = this.#clock.steadyMs();
    const restMs = this.#overAtMs - nowMs;
    if (restMs > 0) this.#arm(restMs, nowMs);
    else this.#onOver(this.#overAs);
  }
}

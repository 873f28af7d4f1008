/**
 * Watches that something flows at a least rate. Each millisecond of waiting is a debt, each byte pays some of it back,
 * at best all: a burst buys no pause. Who owes more than the grace is too slow.
 *
 * waiting ⇄ paused (the other side does not ask for more: nobody is slow) → over (too slow, or stopped).
 */
import type { Clock } from "../../core/clock.ts";

export interface Rate {
  /** The most that may be owed, and so the longest pause. */
  graceMs: number;
  bytesPerSecond: number;
}

export interface LeastRate {
  add(bytes: number): void;
  pause(): void;
  resume(): void;
  /** From here on by another rate, with nothing owed. */
  change(rate: Rate): void;
  stop(): void;
}

/** Begins paused. Calls `onSlow` once, if ever. */
export function watchRate(given: Rate, clock: Clock, onSlow: () => void): LeastRate {
  let rate = given;
  let debtMs = 0;
  /** Undefined while paused. */
  let waitingSince: number | undefined;
  let isOver = false;
  let disarm: (() => void) | undefined;

  /** What was waited so far, as debt. */
  function settle(): void {
    if (waitingSince === undefined) return;
    const nowMs = clock.now().getTime();
    debtMs += Math.max(0, nowMs - waitingSince);
    waitingSince = nowMs;
  }

  /** One timer, which looks again where bytes came meanwhile: those need not touch it. */
  function arm(): void {
    disarm ??= clock.after(Math.max(rate.graceMs - debtMs, 1), () => {
      disarm = undefined;
      if (isOver || waitingSince === undefined) return;
      settle();
      if (debtMs < rate.graceMs) return arm();
      isOver = true;
      onSlow();
    });
  }

  function stop(): void {
    isOver = true;
    disarm?.();
    disarm = undefined;
  }

  return {
    add(bytes) {
      settle();
      debtMs = Math.max(0, debtMs - (bytes * 1_000) / rate.bytesPerSecond);
    },
    pause() {
      settle();
      waitingSince = undefined;
    },
    resume() {
      if (isOver || waitingSince !== undefined) return;
      waitingSince = clock.now().getTime();
      arm();
    },
    change(next) {
      if (isOver) return;
      rate = next;
      debtMs = 0;
      disarm?.();
      disarm = undefined;
      if (waitingSince === undefined) return;
      waitingSince = clock.now().getTime();
      arm();
    },
    stop,
  };
}

import type { GuestOutcome } from "./guest-outcome.ts";

export interface GuestRun {
  readonly id: number;
  readonly wallMs: number;
  readonly cpuMs: number;
  log(level: string, message: string, fields: string, at: number): void;
  /** Once, when the run is over; the last of a batch only when none of its code is on a thread any more. */
  done(outcome: GuestOutcome): void;
  /** Instead of `done`: the run has not begun here and may begin elsewhere. */
  giveBack(): void;
}

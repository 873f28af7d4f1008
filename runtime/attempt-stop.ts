/** Why an attempt ends before its runner is done. */

/**
 * Why an attempt is stopped from outside. Two are not judged: `released`, which another worker starts anew, and `lost`,
 * whose run is not this worker's any more. `no_room` ends one that waited too long in its worker, `shutdown` one that no
 * other worker may start, `cut_off` one that neither its caller nor the database can be asked about.
 */
export type StopReason = "timeout" | "no_room" | "cancelled" | "released" | "lost" | "shutdown" | "cut_off";

export class AttemptStop extends Error {
  readonly reason: StopReason;
  constructor(reason: StopReason) {
    super(`the attempt was stopped: ${reason}`);
    this.reason = reason;
  }
}

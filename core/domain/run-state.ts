/**
 * A run's life. `scheduled` waits for a retry's instant; `queued` is committed and claimable from `availableAt` on,
 * once every limit that holds for it has a permit;
 * `running` is claimed by a worker under its lease; `dead` waits in the dead letters to be redriven or discarded.
 * docs/architecture.md draws this table and a test holds the two together.
 */
export const RUN_STATES = [
  "scheduled",
  "queued",
  "running",
  "succeeded",
  "failed",
  "dead",
  "cancelled",
  "skipped",
  "expired",
] as const;

export type RunState = (typeof RUN_STATES)[number];

/**
 * As rows have it. `deferred` is shown as `running`: the attempt is under way, at whoever was sent its request and will
 * complete it (completion.ts). No worker has it, no claim takes it, and it holds its permits.
 */
export type StoredRunState = RunState | "deferred";

/** The states of rows that are shown as this one. */
export const storedStates = (state: RunState): readonly StoredRunState[] =>
  state === "running" ? ["running", "deferred"] : [state];

/** From each state, what may follow and who brings it about. */
export const RUN_TRANSITIONS: Record<RunState, Partial<Record<RunState, string>>> = {
  scheduled: { queued: "the scheduler, at the retry's instant", cancelled: "a cancel" },
  queued: {
    running: "a worker's claim",
    cancelled: "a cancel",
    skipped: "the overlap policy",
    expired: "the scheduler, its time to live over",
  },
  running: {
    succeeded: "the worker",
    failed: "the worker, dead-lettering off",
    dead: "the worker or the rescue, attempts used up",
    scheduled: "a retry, a rescue",
    queued: "a worker that gives it back",
    cancelled: "the worker, asked to cancel",
    expired: "the worker, claimed too late to begin",
  },
  dead: { queued: "a redrive", failed: "a discard" },
  succeeded: {},
  failed: {},
  cancelled: {},
  skipped: {},
  expired: {},
};

export function canTransition(from: RunState, to: RunState): boolean {
  return to in RUN_TRANSITIONS[from];
}

/** Open runs live in the hot partition; a dead letter stays open until somebody decides. */
export const OPEN_STATES = ["scheduled", "queued", "running", "dead"] as const satisfies readonly RunState[];

export function isTerminal(state: RunState): boolean {
  return Object.keys(RUN_TRANSITIONS[state]).length === 0;
}

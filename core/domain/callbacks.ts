/** What is called when a run of a task has ended, or is late: what there is to be told of, and to whom. */
import type { RunState } from "./run-state.ts";

/**
 * `failure`: failed, dead or expired; `always`: however it ended, a cancel too. `late` is no end: an expectation of its
 * task was not met (expectation.ts).
 */
export const CALLBACK_EVENTS = ["success", "failure", "skip", "late", "always"] as const;
export type CallbackEvent = (typeof CALLBACK_EVENTS)[number];

export type Callback =
  | { type: "http"; url: string }
  | { type: "email"; to: string }
  | { type: "function"; function: string }
  /** Runs the task of this id or key now. */
  | { task: string };

/** Empty: nobody is called. */
export type Callbacks = { [Event in CallbackEvent]?: Callback[] };

/** As a run holds them. `depth`: how many callbacks led to it, one of the next; left out: none. */
export type RunCallbacks = Callbacks & { depth?: number };

/** Of one event. */
export const MAX_CALLBACKS = 10;
/** How far callbacks that run tasks lead on: tasks may call each other in a circle. */
export const MAX_CALLBACK_DEPTH = 5;

/** How a run ended that calls somebody: a new state does not compile until its events are said. */
export type CalledState = Exclude<RunState, "scheduled" | "queued" | "running">;

export const EVENTS_OF: Record<CalledState, readonly CallbackEvent[]> = {
  succeeded: ["success", "always"],
  failed: ["failure", "always"],
  dead: ["failure", "always"],
  expired: ["failure", "always"],
  skipped: ["skip", "always"],
  cancelled: ["always"],
};

/** Whom the end calls. `isBounded`: tasks were to run that do not, because the chain that led here is as long as it may be. */
export function chooseCallbacks(
  { depth = 0, ...callbacks }: RunCallbacks,
  state: CalledState,
): { called: Callback[]; isBounded: boolean } {
  const wanted = EVENTS_OF[state].flatMap((event) => callbacks[event] ?? []);
  const called = depth < MAX_CALLBACK_DEPTH ? wanted : wanted.filter((callback) => !("task" in callback));
  return { called, isBounded: called.length < wanted.length };
}

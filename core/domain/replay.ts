/** Whether a run can be replayed, with which revision, and what it was given. */
import { type BellhopError, conflict } from "../errors.ts";
import type { Json } from "../json.ts";
import type { AskedLimits } from "./function-limits.ts";
import { type InputFate, isRequest } from "./kept-input.ts";
import { isTerminal, type RunState } from "./run-state.ts";
import type { RunTarget } from "./run-target.ts";
import type { RunTrigger } from "./run-trigger.ts";
import { isWholeRequest } from "./stored-request.ts";
import type { TaskType } from "./task-spec.ts";
import { unknownQueue } from "./unknown-queue.ts";

/** `same`: the one that the run ran on, where it ran on one; `current`: the one that a new call or run would get. */
export const REPLAY_REVISIONS = ["same", "current"] as const;
export type ReplayRevision = (typeof REPLAY_REVISIONS)[number];

/** A run, and what is there now of what it was a run of. */
export interface ReplayFacts {
  id: string;
  state: RunState;
  type: TaskType;
  trigger: RunTrigger;
  /** Null for a call. */
  taskId: string | null;
  /** Null where there is no such task any more. */
  taskState: string | null;
  functionId: string | null;
  hasFunction: boolean;
  /** The one it ran on, where that is still there. */
  revisionId: string | null;
  revisionLimits: AskedLimits | null;
  /** Of the revision that leads its function. */
  leadingLimits: AskedLimits;
  /** What the call asked for in place of the function's traffic. */
  target: RunTarget | null;
  /** Of a call: how often it is tried; null: once. */
  maxAttempts: number | null;
  /** Where it stood, as its row has it; its limit keys are those of its function, too. */
  queue: string | null;
  /** Where the replay would stand, if that was deleted since. */
  missingQueue: string | null;
  limitKeys: string[] | null;
  priority: number;
  /** As its row has them. */
  input: Json;
  originalInput: Json;
  inputFate: InputFate | null;
}

/** Why the run cannot be replayed, whatever the replay is given; undefined: it can. */
export function findReplayFault(run: ReplayFacts): BellhopError | undefined {
  if (run.state !== "dead" && !isTerminal(run.state)) {
    const message = `The run is ${run.state}: only a run that has ended, or a dead letter, can be replayed.`;
    return conflict(message, "run_not_finished");
  }
  if (isSentCallback(run)) return undefined;
  const isThere = run.taskId === null ? run.hasFunction : run.taskState !== null;
  if (!isThere) return originRemoved(run);
  if (run.taskState === "cancelled")
    return conflict("The run's task is cancelled, and no longer runs.", "task_cancelled");
  return run.missingQueue === null ? undefined : unknownQueue(run.missingQueue);
}

/** A callback over HTTP or by e-mail: its row says all that there is to it. */
export const isSentCallback = ({ trigger, taskId, functionId }: ReplayFacts): boolean =>
  trigger === "callback" && taskId === null && functionId === null;

export const ORIGIN_REMOVED = {
  function_removed: "The run's function was removed.",
  task_removed: "The run's task was removed.",
} as const;

/** 409: there is nothing any more that the run could be another run of. */
export function originRemoved({ taskId }: Pick<ReplayFacts, "taskId">): BellhopError {
  return taskId === null
    ? conflict(ORIGIN_REMOVED.function_removed, "function_removed")
    : conflict(ORIGIN_REMOVED.task_removed, "task_removed");
}

/**
 * What the replay asks for in place of its function's traffic, or of what its task names. 409 where the revision is to be
 * the same, and its function was removed. What ran on none (an http task, a run that never began) has none to differ from:
 * it asks for what it asked for before.
 */
export function chooseReplayTarget(run: ReplayFacts, revision: ReplayRevision): RunTarget | undefined {
  if (revision === "current") {
    // A tag leads to another revision by now; a revision that was asked for is the one it ran on.
    return run.target && "tag" in run.target ? run.target : undefined;
  }
  if (run.revisionId === null) return run.target ?? undefined;
  if (run.hasFunction) return { revision: run.revisionId };
  throw conflict('The function that the run ran on was removed: ask for "current".', "revision_unavailable");
}

/** What the run was given, as a row has it; undefined: that was not kept. */
export function findGivenInput(run: ReplayFacts): { input: Json } | undefined {
  const { state, trigger, input, originalInput, inputFate } = run;
  if (originalInput !== null) return isWhole(trigger, originalInput) ? { input: originalInput } : undefined;
  // An open row holds it as it came. So do those of tasks' runs.
  if (state === "dead" || run.taskId !== null) return { input };
  const isAsGiven = isRequest(trigger) || inputFate === null || inputFate === "kept";
  return isAsGiven && isWhole(trigger, input) ? { input } : undefined;
}

const isWhole = (trigger: RunTrigger, input: Json) => !isRequest(trigger) || isWholeRequest(input);

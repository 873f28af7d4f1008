/** What a replay's row takes from the original run. */
import { callDurations } from "../../domain/call-durations.ts";
import type { FunctionLimitCaps } from "../../domain/function-limits.ts";
import { isRequest } from "../../domain/kept-input.ts";
import { keysOfQueue } from "../../domain/limit-keys.ts";
import {
  chooseReplayTarget,
  findGivenInput,
  findReplayFault,
  isSentCallback,
  type ReplayFacts,
  type ReplayRevision,
} from "../../domain/replay.ts";
import { conflict } from "../../errors.ts";
import { toJsonText } from "../json-text.ts";
import type { ReplayRequest } from "./enqueue.ts";

/**
 * 409 where it cannot be replayed, on that revision or at all.
 * @param chooseInput as the row has it; asked where nothing else forbids the replay
 */
export async function planReplay(
  run: ReplayFacts,
  revision: ReplayRevision,
  caps: FunctionLimitCaps,
  chooseInput: () => string | null | Promise<string | null>,
): Promise<Pick<ReplayRequest, "replayOf" | "of" | "trigger" | "target" | "input">> {
  const fault = findReplayFault(run);
  if (fault) throw fault;
  const target = chooseReplayTarget(run, revision);
  const limits = (revision === "same" ? run.revisionLimits : null) ?? run.leadingLimits;
  return {
    ...{ replayOf: run.id, trigger: run.trigger, target },
    input: await chooseInput(),
    of: isSentCallback(run)
      ? { sent: run.type }
      : run.taskId === null
        ? {
            functionId: run.functionId!,
            timeoutMs: callDurations(limits, caps).attemptMs,
            maxAttempts: run.maxAttempts,
            ...{ queue: run.queue, limitKeys: run.limitKeys && keysOfQueue(run.limitKeys) },
            priority: run.priority,
          }
        : { taskId: run.taskId },
  };
}

/** What the run was given, as its replay's row has it; null: its task's own. 409 where that was not kept. */
export function takeGivenInput(run: ReplayFacts): string | null {
  const given = findGivenInput(run);
  if (!given) {
    const what = isRequest(run.trigger)
      ? "the body of its request, or null for none; its headers are gone"
      : "one";
    throw conflict(`The run's input was not stored: pass \`input\`, ${what}.`, "input_not_kept");
  }
  return run.taskId !== null && given.input === null ? null : toJsonText(given.input);
}

/** The history of a task: `GET /v1/tasks/{id}/changes`. */
import { z } from "zod";
import type { FieldChange } from "../domain/definition-diff.ts";
import { TASK_CHANGES, type TaskChangeKind } from "../domain/task-change.ts";
import { idOutput, instantOutput } from "./common.ts";
import { PAUSE_REASONS, type PauseReason } from "./task-output.ts";
import { fieldChangeOutput, toWireDiff } from "./task-set.ts";

export interface RecordedChange {
  id: string;
  change: TaskChangeKind;
  at: Date;
  /** Null: nobody's; Bellhop itself did it, or a release that did not record it. */
  keyId: string | null;
  keyName: string | null;
  reason: PauseReason | null;
  diff: FieldChange[];
}

export const taskChangeOutput = z
  .object({
    id: idOutput,
    change: z.enum(TASK_CHANGES),
    at: instantOutput,
    by: z.object({ keyId: idOutput, name: z.string() }).nullable().meta({
      description: "The key that made the request, or the subject of the token; null if nobody did.",
    }),
    reason: z.enum(PAUSE_REASONS).optional().meta({ description: "For a pause." }),
    diff: z
      .array(fieldChangeOutput)
      .meta({ description: "For a change: the differences in the definition." }),
  })
  .meta({
    id: "TaskChange",
    examples: [
      {
        id: "01a20a28-a81c-7294-862d-15363a1f369a",
        change: "changed",
        at: "2026-11-23T20:46:06.366Z",
        by: { keyId: "01a20a22-0882-748a-8c74-f2392339679a", name: "admin" },
        diff: [{ field: "retry.maxAttempts", from: 5, to: 8 }],
      },
    ],
  });

export function toWireTaskChange({ id, change, at, keyId, keyName, reason, diff }: RecordedChange) {
  return {
    ...{ id, change, at: at.toISOString() },
    by: keyId === null ? null : { keyId, name: keyName ?? "" },
    ...(reason === null ? {} : { reason }),
    diff: toWireDiff(diff),
  };
}

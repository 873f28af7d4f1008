/** What a namespace holds, line by line, in the form in which it can be given again: `GET /v1/export`. */
import { z } from "zod";
import type { Callbacks } from "../domain/callbacks.ts";
import { type LeftOut, toExportedCallbacks } from "../domain/exported-callbacks.ts";
import { exportedKey } from "../domain/task-key.ts";
import { examplesOf, jsonOutput } from "./common.ts";
import { functionOutput } from "./function-output.ts";
import { queueLimitsOutput } from "./queue.ts";
import { settingsOutput } from "./settings.ts";
import { type Task, toTaskDefinition } from "./task-output.ts";

const task = z.record(z.string(), jsonOutput).meta({ description: "An item for `POST /v1/tasks/apply`." });

const leftOut = z
  .array(z.object({ field: z.string(), task: z.string() }))
  .optional()
  .meta({
    description:
      "Callbacks that are left out because the tasks that they run are finished and not exported: their fields, and those tasks.",
  });

export const exportLine = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("settings"), settings: settingsOutput, leftOut }),
    z.object({
      kind: z.literal("secret"),
      name: z.string().meta({ description: "Without its value." }),
      function: z
        .string()
        .nullable()
        .meta({ description: "The function it belongs to; null: it is the namespace's." }),
    }),
    z.object({ kind: z.literal("function"), function: functionOutput }),
    z.object({
      kind: z.literal("calendar"),
      name: z.string(),
      dates: z.array(z.string()).meta({ description: "For `PUT /v1/calendars/{name}`, sorted." }),
    }),
    z.object({
      kind: z.literal("queue"),
      name: z.string(),
      limits: queueLimitsOutput.meta({
        description: "For `PUT /v1/queues/{name}`. Pauses are temporary, and not exported.",
      }),
    }),
    z.object({
      kind: z.literal("task"),
      task,
      paused: z.boolean().meta({ description: "Applying it creates a task that is not paused." }),
      leftOut,
    }),
    z.object({ kind: z.literal("end"), tasks: z.int() }).meta({ description: "The export is complete." }),
  ])
  .meta({
    id: "ExportLine",
    examples: [
      {
        kind: "task",
        task: { key: "billing:nightly", type: "http", url: "https://example.com/reports" },
        paused: false,
      },
      { kind: "settings", settings: examplesOf(settingsOutput)[0] },
    ],
  });
export type ExportLine = z.input<typeof exportLine>;

/** One that is still to fire: what is over would begin anew. */
export const isExported = ({ state, nextRunAt }: Task): boolean =>
  state === "paused" || (state === "active" && nextRunAt !== null);

/** @param keys of the tasks that its callbacks run, by the names that they have there */
export function toTaskLine(task: Task, keys: ReadonlyMap<string, string>): ExportLine {
  const { on, leftOut } = toExportedCallbacks(task.on, keys);
  const definition = toTaskDefinition({ ...task, key: exportedKey(task), on });
  return { kind: "task", task: definition, paused: task.state === "paused", ...sayLeftOut(leftOut) };
}

export function toSettingsLine(
  settings: { on: Callbacks | null },
  keys: ReadonlyMap<string, string>,
): ExportLine {
  const { on, leftOut } = toExportedCallbacks(settings.on, keys);
  return { kind: "settings", settings: { on }, ...sayLeftOut(leftOut) };
}

const sayLeftOut = (leftOut: LeftOut[]) => (leftOut.length > 0 ? { leftOut } : {});

/** What a namespace holds, line by line, in the form in which it can be given again: `GET /v1/export`. */
import { z } from "zod";
import type { JsonObject } from "../json.ts";
import { examplesOf, jsonOutput } from "./common.ts";
import { functionOutput } from "./function-output.ts";
import { settingsOutput } from "./settings.ts";
import { type Task, toTaskDefinition } from "./task-output.ts";

const task = z.record(z.string(), jsonOutput).meta({ description: "An item for `POST /v1/tasks/apply`." });

export const exportLine = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("settings"), settings: settingsOutput }),
    z.object({
      kind: z.literal("secret"),
      name: z.string().meta({ description: "Its value is not told." }),
      function: z.string().nullable().meta({ description: "Whose it is; null: the namespace's." }),
    }),
    z.object({ kind: z.literal("function"), function: functionOutput }),
    z.object({
      kind: z.literal("task"),
      task,
      paused: z.boolean().meta({ description: "What applies it makes a task that is not paused." }),
    }),
    z.object({ kind: z.literal("end"), tasks: z.int() }).meta({ description: "It is whole." }),
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

/** A task without a key gets one made of its id, the same each time. */
export const toExportedTask = (task: Task): JsonObject =>
  toTaskDefinition({ ...task, key: task.key ?? `task-${task.id}` });

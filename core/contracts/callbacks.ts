/** `on` of a task, and of a namespace for tasks that name none: whom the end of a run calls, or its being late. */
import { z } from "zod";
import { CALLBACK_EVENTS, type Callbacks, MAX_CALLBACKS } from "../domain/callbacks.ts";
import { nameField } from "./common.ts";
import { taskNameField } from "./task-key.ts";
import { emailAddress, httpUrl } from "./task-spec.ts";

/** What is sent tells of a run, whatever words are in it: it is no template, and neither is where it is sent. */
const callbackUrl = httpUrl.refine(
  (url) => !url.includes("{{secrets."),
  "takes no secrets: call a task, whose headers, query and body take them",
);

const typed = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("http"), url: callbackUrl }),
  z.strictObject({ type: z.literal("email"), to: emailAddress }),
  z.strictObject({ type: z.literal("function"), function: nameField }),
]);
const runsTask = z.strictObject({ task: taskNameField });

const callback = z.union([runsTask, typed]);
const list = z.array(callback).max(MAX_CALLBACKS, `takes at most ${MAX_CALLBACKS} callbacks`).optional();

/** An event whose list is empty is left out. */
export const callbacksField = z
  .strictObject(
    Object.fromEntries(CALLBACK_EVENTS.map((event) => [event, list])) as Record<
      (typeof CALLBACK_EVENTS)[number],
      typeof list
    >,
  )
  .transform(
    (given): Callbacks =>
      Object.fromEntries(Object.entries(given).filter(([, callbacks]) => callbacks && callbacks.length > 0)),
  );

const shown = z.union([
  z.object({ type: z.literal("http"), url: z.string() }),
  z.object({ type: z.literal("email"), to: z.string() }),
  z.object({ type: z.literal("function"), function: z.string() }),
  z.object({ task: z.string() }),
]);
const shownList = z.array(shown).optional();

export const callbacksOutput = z
  .object({ success: shownList, failure: shownList, skip: shownList, late: shownList, always: shownList })
  .nullable()
  .meta({
    description:
      "What to call when a run ends or misses an expectation (`late`); null: as set in the namespace's settings.",
  });

/** A task's key on the wire, and what names a task: its id or its key. */
import { z } from "zod";
import { findKeyFault, KEY_FORM } from "../domain/task-key.ts";

const isId = (text: string) => z.uuid().safeParse(text).success;

export const taskKeyField = z
  .string()
  .superRefine((key, context) => {
    const message = findKeyFault(key);
    if (message) context.addIssue({ code: "custom", message });
  })
  .meta({ description: `Chosen by the caller: ${KEY_FORM}; not a UUID.`, examples: ["billing:nightly"] });

/** What may name a task in a filter or a callback. */
export const taskNameField = z
  .string()
  .refine((text) => isId(text) || findKeyFault(text) === undefined, "must be the id or the key of a task");

/** A task in a path. */
export const taskParam = z.string().meta({
  description: "The task's id, or its key.",
  examples: ["01a20a28-a81c-7294-862d-1a27e97c0d32"],
});

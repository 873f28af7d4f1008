/** Where runs stand: fields of a task and of a call alike. */
import { DEFAULT_PRIORITY, DEFAULT_QUEUE, MAX_PRIORITY } from "../domain/limit-keys.ts";
import { lineField, nameField, wholeNumberField } from "./common.ts";

const MAX_KEY_CHARS = 128;

/** What its runs have in common with others, such as a customer. */
export const limitKeyField = lineField("a key")
  .min(1)
  .max(MAX_KEY_CHARS, `holds at most ${MAX_KEY_CHARS} characters`);

export const queueFields = {
  /** It exists; `default` always does. */
  queue: nameField.default(DEFAULT_QUEUE),
  /** Runs of the queue with the same one share its `perKey.concurrency`. Null: none. */
  concurrencyKey: limitKeyField.nullable().default(null),
  /** The same of its `perKey.rate`. */
  rateKey: limitKeyField.nullable().default(null),
  /** Among the runs of its namespace that wait: those with a higher one start first. */
  priority: wholeNumberField(0, MAX_PRIORITY).default(DEFAULT_PRIORITY),
};

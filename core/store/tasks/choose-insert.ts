import type { TaskInput } from "../../contracts/task-input.ts";
import { excludesInstants } from "../../domain/schedule/exclusions.ts";

/**
 * How a new task is inserted: `together` with those that are made at the same moment, by one statement and its commit;
 * `alone`, by a statement of its own; or as a part of a `transaction`.
 */
export type InsertWay = "together" | "alone" | "transaction";

/** Whatever may wait for somebody else does not keep others waiting, and what few tasks need is no part of the statement of all. */
export function chooseInsert({
  schedule,
  key,
  policy,
}: Pick<TaskInput, "schedule" | "key" | "policy">): InsertWay {
  // It reads its calendar under a lock, and writes down what is excluded.
  if (excludesInstants(schedule)) return "transaction";
  // It waits for whoever is giving a task the same key, and takes that from one that is over.
  if (key !== null) return "alone";
  // By when its run must have succeeded is written down with it.
  if (policy.expect && schedule.kind === "now") return "alone";
  return "together";
}

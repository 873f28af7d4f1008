/** `debounce` and `collect` of a task that fires at once, whose first run is no run on somebody's word. */
import type { TaskInput } from "../../core/contracts/task-input.ts";
import type { Debounce } from "../../core/domain/joining.ts";
import { invalidField } from "../../core/errors.ts";

/**
 * By what a new task is put off; undefined: it is not. 422 where it fires at once and names `collect`, or, where it cannot
 * take the place of an earlier one (`mayJoin`), `debounce`.
 */
export function readTaskDebounce({ schedule, policy }: TaskInput, mayJoin: boolean): Debounce | undefined {
  if (schedule.kind !== "now") return undefined;
  if (policy.collect)
    throw invalidField(
      "collect",
      "goes with a schedule, and holds for POST /v1/tasks/{id}/run; calls of functions take it, too",
    );
  if (policy.debounce && !mayJoin)
    throw invalidField("debounce", "without a schedule it goes with POST /v1/tasks alone");
  return policy.debounce ?? undefined;
}

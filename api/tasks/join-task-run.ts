/** A run on somebody's word of a task that says `debounce` or `collect`. */
import { notFound } from "../../core/errors.ts";
import { newId } from "../../core/store/ids.ts";
import { collectIn, debounceIn } from "../../core/store/joins/join.ts";
import { toJsonText } from "../../core/store/json-text.ts";
import {
  COLLECTED_TASK_RUNS,
  DEBOUNCED_TASK_RUNS,
  type JoiningTaskRun,
} from "../../core/store/runs/joinable.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import type { GivenInput } from "../../core/store/tasks/spec-column.ts";
import type { ApiParts } from "../environment.ts";
import { type JoinedOnce, type JoiningRequest, joinOnce } from "../joins.ts";

interface AskedRun extends JoiningTaskRun {
  /** What is given in place of the task's own, as a run's row has it. */
  input: string | undefined;
}

/** It joins the run that waits for others, or opens one. 404 where the task is not there, 409 where it is cancelled. */
export async function joinTaskRun(
  parts: ApiParts,
  { input, ...asked }: AskedRun,
  request: JoiningRequest = { runId: newId() },
): Promise<JoinedOnce> {
  const { namespaceId, taskId } = asked;
  const task = await findTask(parts.store, namespaceId, taskId);
  if (!task) throw notFound("task", taskId);
  const { debounce, collect } = task.policy;
  const placeOf = (what: string, key: string) => ({ namespaceId, scope: `${what}/task:${taskId}`, key });
  if (collect) {
    const place = placeOf("collect", JSON.stringify(collect));
    const own = task.spec.type === "function" ? task.spec.input : null;
    const given = input === undefined ? own : (JSON.parse(input) as GivenInput).input;
    const call = { ...asked, input: toJsonText(given ?? null) };
    return await joinOnce(parts, request, place, call, (tx, calls) =>
      collectIn(tx, place, collect, calls, COLLECTED_TASK_RUNS),
    );
  }
  // Where it has just been taken back, it holds for this last run.
  const { key, ...waits } = debounce ?? { key: "", waitMs: 0, maxMs: 0 };
  const place = placeOf("debounce", key);
  const call = { ...asked, input: input ?? null, debounce: { key, ...waits } };
  return await joinOnce(parts, request, place, call, (tx, calls) =>
    debounceIn(tx, place, calls, DEBOUNCED_TASK_RUNS),
  );
}

import type { Context } from "hono";
import { notFound } from "../../core/errors.ts";
import { findMade, makeOnce } from "../../core/store/idempotency.ts";
import { isId, newId } from "../../core/store/ids.ts";
import { enqueueTaskRun } from "../../core/store/runs/enqueue.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { readIdempotentRequest } from "../http/idempotency.ts";
import { spanOf, traceparentOf } from "../http/trace-requests.ts";

/** Makes a run of the task besides its schedule, and rings it; with the key of an earlier request it is that one's run. */
export async function runNow(
  { store, ringer }: ApiParts,
  context: Context<ApiEnv>,
  taskId: string,
): Promise<{ runId: string; isReplay: boolean }> {
  const { namespaceId } = context.get("owner");
  const once = readIdempotentRequest(context, `tasks/${taskId}/run`, []);
  const earlier = once && (await findMade(store, once));
  if (earlier !== undefined) return { runId: earlier, isReplay: true };
  const runId = newId();
  const { id, made } = await makeOnce(store, once, runId, async (scope) => {
    const run = isId(taskId)
      ? await enqueueTaskRun(scope, namespaceId, taskId, runId, traceparentOf(context))
      : undefined;
    if (!run) throw notFound("task", taskId);
    return run;
  });
  spanOf(context).set({ "bellhop.task.id": taskId, "bellhop.run.id": id });
  if (made) ringer.ring([made]);
  return { runId: id, isReplay: !made };
}

import type { taskInput } from "../../core/contracts/task-input.ts";
import type { Task } from "../../core/contracts/task-output.ts";
import { notFound } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import { findFunctionId } from "../../core/store/functions/functions.ts";
import { findMade, type IdempotentRequest, makeOnce } from "../../core/store/idempotency.ts";
import { newId } from "../../core/store/ids.ts";
import { findFirstRunId } from "../../core/store/runs/read.ts";
import { createTask } from "../../core/store/tasks/create.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import { validate } from "../bodies/body.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import type { ApiParts } from "../environment.ts";
import { requireSender } from "./require-sender.ts";
import { resolveFunction } from "./resolve-function.ts";

export interface CreatedOnce {
  task: Task;
  /** The one that it was made with. */
  runId: string | undefined;
  /** An earlier request with the same idempotency key made it; it is as it stands now. */
  isReplay: boolean;
}

export interface CreateRequest {
  namespaceId: string;
  /** Not validated yet. */
  body: Json;
  once: IdempotentRequest | undefined;
  /** The request that asks (W3C). */
  traceparent: string | undefined;
}

/** The task that the body describes, made and rung. 404 where an earlier request made it and it was removed. */
export async function createOnce(
  parts: ApiParts,
  { namespaceId, body, once, traceparent }: CreateRequest,
  schema: ReturnType<typeof taskInput>,
): Promise<CreatedOnce> {
  const { store, clock, ringer, notifier } = parts;
  const findEarlier = async (id: string): Promise<CreatedOnce> => {
    const task = await findTask(store, namespaceId, id);
    if (!task) throw notFound("task", id);
    const ranAtOnce = ((body as { schedule?: Json }).schedule ?? null) === null;
    return { task, runId: ranAtOnce ? await findFirstRunId(store, id) : undefined, isReplay: true };
  };
  // Before the body is looked at: what was fine then may lie in the past by now.
  const earlier = once && (await findMade(store, once));
  if (earlier !== undefined) return await findEarlier(earlier);
  const input = validate(schema, body);
  requireSender(input.spec, parts.mail);
  await requireCallable(store, namespaceId, input.on, parts.mail);
  const { spec, functionId } = await resolveFunction(store, input.spec, (name) =>
    findFunctionId(store, namespaceId, name),
  );
  const taskId = newId();
  const { id, made } = await makeOnce(store, once, taskId, (scope) =>
    createTask(scope, {
      namespaceId,
      input: { ...input, spec },
      functionId,
      now: clock.now(),
      id: taskId,
      traceparent,
    }),
  );
  if (!made) return await findEarlier(id);
  if (made.run) ringer.ring([made.run]);
  else notifier.notify("bellhop_schedule");
  return { task: made.task, runId: made.run?.runId, isReplay: false };
}

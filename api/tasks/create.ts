import type { taskInput } from "../../core/contracts/task-input.ts";
import type { Task } from "../../core/contracts/task-output.ts";
import type { Json } from "../../core/json.ts";
import { findFunctionId } from "../../core/store/functions/functions.ts";
import * as tasks from "../../core/store/tasks/create.ts";
import { validate } from "../bodies/body.ts";
import { requireCallable } from "../callbacks/require-callable.ts";
import type { ApiParts } from "../environment.ts";
import { requireSecrets } from "./require-secrets.ts";
import { requireSender } from "./require-sender.ts";
import { resolveFunction } from "./resolve-function.ts";

export interface CreatedTask {
  task: Task;
  /** The one that it was made with. */
  runId: string | undefined;
}

export interface CreateRequest {
  namespaceId: string;
  /** Not validated yet. */
  body: Json;
  /** The request that asks (W3C). */
  traceparent: string | undefined;
}

/** The task that the body describes, made and rung. */
export async function createTask(
  { store, clock, ringer, notifier, mail }: ApiParts,
  { namespaceId, body, traceparent }: CreateRequest,
  schema: ReturnType<typeof taskInput>,
): Promise<CreatedTask> {
  const input = validate(schema, body);
  requireSender(input.spec, mail);
  await requireCallable(store, namespaceId, input.on, mail);
  await requireSecrets(store, namespaceId, input.spec);
  const { spec, functionId } = await resolveFunction(store, input.spec, (name) =>
    findFunctionId(store, namespaceId, name),
  );
  const made = await tasks.createTask(store, {
    ...{ namespaceId, input: { ...input, spec }, functionId, now: clock.now(), traceparent },
  });
  if (made.run) ringer.ring([made.run]);
  else notifier.notify("bellhop_schedule");
  return { task: made.task, runId: made.run?.runId };
}

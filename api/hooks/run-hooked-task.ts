/** A call of a task's hook: a run of the task, given what was sent. */
import { isUtf8 } from "node:buffer";
import { OWN_JSON_FIELD } from "../../core/contracts/task-spec.ts";
import { taskCancelled } from "../../core/domain/task-cancelled.ts";
import type { TaskType } from "../../core/domain/task-spec.ts";
import { BellhopError } from "../../core/errors.ts";
import { JsonSource } from "../../core/json-source.ts";
import type { HookedTask } from "../../core/store/functions/hooks.ts";
import { makeOnce } from "../../core/store/idempotency.ts";
import { newId } from "../../core/store/ids.ts";
import { enqueueTaskRun } from "../../core/store/runs/enqueue.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import { toGivenInput } from "../../core/store/tasks/spec-column.ts";
import { parseJson } from "../bodies/body.ts";
import { refuseUnstorable, refuseUnstorableSource } from "../bodies/stored-text.ts";
import type { ApiParts } from "../environment.ts";
import { joinTaskRun } from "../tasks/join-task-run.ts";
import type { Enqueued, HookCall } from "./call-hooked-function.ts";
import { unknownHook } from "./unknown-hook.ts";

export interface SentContent {
  type: string | undefined;
  body: Buffer;
}

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json *(?:;|$)/i;

/** 409 where the task is cancelled. */
export async function runHookedTask(
  parts: ApiParts,
  { namespaceId, taskId }: HookedTask,
  content: SentContent,
  { once, traceparent, ...call }: HookCall,
): Promise<Enqueued> {
  const task = await findTask(parts.store, namespaceId, taskId);
  if (!task) throw unknownHook();
  const input = toInput(task.spec.type, content);
  const runId = newId();
  const admit = () => {
    if (task.state === "cancelled") throw taskCancelled();
    call.admit();
  };
  if (task.policy.debounce || task.policy.collect) {
    const asked = { namespaceId, taskId, input, traceparent };
    return await joinTaskRun(parts, asked, { once, runId, admit }).catch(hideTask);
  }
  const { id, made } = await makeOnce(parts.store, once, runId, async (scope) => {
    admit();
    const make = () => enqueueTaskRun(scope, namespaceId, taskId, runId, traceparent, input);
    const run = await parts.daily.counting(scope, namespaceId, make, once !== undefined);
    // Removed this very moment.
    if (!run) throw unknownHook();
    return run;
  });
  if (made) parts.ringer.ring([made]);
  return { runId: id, isReplay: made === undefined };
}

/** Of a task that was removed this very moment a stranger is told no id. */
function hideTask(error: unknown): never {
  throw error instanceof BellhopError && error.code === "not_found" ? unknownHook() : error;
}

/**
 * What the run gets in place of its task's own, as its row has it: JSON that says so as JSON, else text. Undefined for none,
 * and for what takes none. Secrets that it names are left as they are: strangers send none anywhere.
 */
function toInput(type: TaskType, { type: contentType = "", body }: SentContent): string | undefined {
  const field = OWN_JSON_FIELD[type];
  if (field === undefined || body.byteLength === 0) return undefined;
  if (!isUtf8(body)) throw new BellhopError("invalid_input", 422, "The body is not text in UTF-8.");
  const text = body.toString();
  if (!JSON_TYPE.test(contentType)) {
    refuseUnstorable(text, JSON.stringify(text));
    return toGivenInput(field, text);
  }
  const value = parseJson(text);
  // For an http task JSON is kept and sent as its sender wrote it.
  if (type === "http" && typeof value !== "string") {
    const source = new JsonSource(text);
    refuseUnstorableSource(source, "");
    return toGivenInput(field, source);
  }
  refuseUnstorable(value, text);
  return toGivenInput(field, value);
}

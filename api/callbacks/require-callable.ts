import type { Callback, Callbacks } from "../../core/domain/callbacks.ts";
import { invalidField } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { findFunction } from "../../core/store/functions/functions.ts";
import { resolveTaskId } from "../../core/store/tasks/keys.ts";
import { findTask } from "../../core/store/tasks/read.ts";
import type { MailFacts } from "../environment.ts";

/** Refuses callbacks of functions and tasks that are not there, and e-mails that would find no sender. */
export async function requireCallable(
  scope: QueryScope,
  namespaceId: string,
  on: Callbacks | null,
  { defaultSender }: MailFacts,
): Promise<void> {
  for (const [event, callbacks] of Object.entries(on ?? {}))
    for (const [index, callback] of callbacks.entries()) {
      if ("type" in callback && callback.type === "email" && defaultSender === "none")
        throw invalidField(
          `on.${event}.${index}.to`,
          "e-mails need a sender, and the operator has set none (EMAIL_FROM)",
        );
      await requireTarget(scope, namespaceId, callback, `on.${event}.${index}`);
    }
}

async function requireTarget(
  scope: QueryScope,
  namespaceId: string,
  callback: Callback,
  field: string,
): Promise<void> {
  if ("task" in callback) {
    const id = await resolveTaskId(scope, namespaceId, callback.task);
    if (id !== undefined && (await findTask(scope, namespaceId, id))) return;
    throw invalidField(`${field}.task`, `there is no task ${callback.task} in this namespace`);
  }
  if (callback.type !== "function" || (await findFunction(scope.db, namespaceId, callback.function))) return;
  throw invalidField(
    `${field}.function`,
    `there is no function ${JSON.stringify(callback.function)} in this namespace`,
    "unknown_function",
  );
}

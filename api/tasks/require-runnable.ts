import type { TaskInput } from "../../core/contracts/task-input.ts";
import { DEFAULT_QUEUE } from "../../core/domain/limit-keys.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { findFunctionId } from "../../core/store/functions/functions.ts";
import type { MailFacts } from "../environment.ts";
import type { QueueLooks } from "../queues/known-queues.ts";
import { requireQueue } from "../queues/require-queue.ts";
import { requireSecrets } from "./require-secrets.ts";
import { requireSender } from "./require-sender.ts";
import { resolveFunction } from "./resolve-function.ts";

/**
 * Refuses a task that could not run: an e-mail without a sender, queues, secrets and functions that are not there. Whom its ends
 * call is another question (`requireCallable`). Without `queues` its queue is not looked at.
 */
export async function requireRunnable(
  scope: QueryScope,
  namespaceId: string,
  input: TaskInput,
  { mail, queues }: { mail: MailFacts; queues: QueueLooks | undefined },
): Promise<{ input: TaskInput; functionId: string | null }> {
  requireSender(input.spec, mail);
  // Tasks are made by the thousand, and most of them name nothing that would have to be there: they wait for no promise.
  if (queues && input.policy.queue !== DEFAULT_QUEUE)
    await requireQueue(queues, namespaceId, input.policy.queue);
  if (input.spec.type !== "function" && !("secretsIn" in input.spec)) return { input, functionId: null };
  await requireSecrets(scope, namespaceId, input.spec);
  const { spec, functionId } = await resolveFunction(scope, input.spec, (name) =>
    findFunctionId(scope, namespaceId, name),
  );
  return { input: { ...input, spec }, functionId };
}

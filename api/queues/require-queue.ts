import { invalidField } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { isQueueThere } from "../../core/store/queues/queues.ts";

/** 422 where the namespace has no such queue. */
export async function requireQueue(scope: QueryScope, namespaceId: string, name: string): Promise<void> {
  if (await isQueueThere(scope, namespaceId, name)) return;
  throw invalidField(
    "queue",
    `there is no queue ${JSON.stringify(name)} in this namespace: PUT /v1/queues/${name} makes it`,
    "unknown_queue",
  );
}

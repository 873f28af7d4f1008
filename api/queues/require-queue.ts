import { invalidField } from "../../core/errors.ts";
import type { QueueLooks } from "./known-queues.ts";

/** 422 where the namespace has no such queue. */
export async function requireQueue(queues: QueueLooks, namespaceId: string, name: string): Promise<void> {
  if (await queues.isThere(namespaceId, name)) return;
  throw invalidField(
    "queue",
    `there is no queue ${JSON.stringify(name)} in this namespace: PUT /v1/queues/${name} makes it`,
    "unknown_queue",
  );
}

import { unknownQueue } from "../../core/domain/unknown-queue.ts";
import type { QueueLooks } from "./known-queues.ts";

/** 422 where the namespace has no such queue. */
export async function requireQueue(queues: QueueLooks, namespaceId: string, name: string): Promise<void> {
  if (await queues.isThere(namespaceId, name)) return;
  throw unknownQueue(name, "queue");
}

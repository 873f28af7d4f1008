import { DEFAULT_QUEUE } from "../../core/domain/limit-keys.ts";
import { invalidField } from "../../core/errors.ts";
import type { QueryScope } from "../../core/store/database.ts";
import { findQueue } from "../../core/store/queues/queues.ts";

/** 422 where the namespace has no such queue. */
export async function requireQueue(scope: QueryScope, namespaceId: string, name: string): Promise<void> {
  if (name === DEFAULT_QUEUE || (await findQueue(scope, namespaceId, name))) return;
  throw invalidField(
    "queue",
    `there is no queue ${JSON.stringify(name)} in this namespace: PUT /v1/queues/${name} makes it`,
    "unknown_queue",
  );
}

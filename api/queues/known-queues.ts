/** Which queues there are, kept for a moment: what names one does so over and over, and few are ever deleted. */
import { DEFAULT_QUEUE } from "../../core/domain/limit-keys.ts";
import { createBriefMemory } from "../../core/store/brief-memory.ts";
import type { QueryScope } from "../../core/store/database.ts";
import type { Listener } from "../../core/store/listen.ts";
import { isQueueThere } from "../../core/store/queues/queues.ts";

/** Whether tasks and calls may name a queue. */
export interface QueueLooks {
  isThere(namespaceId: string, name: string): Promise<boolean>;
}

export interface KnownQueues extends QueueLooks {
  /** After this API has deleted one. */
  forget(namespaceId: string, name: string): void;
}

/** Each time by a look of its own, for who must not go by what was so a moment ago. */
export const lookForQueues = (scope: QueryScope): QueueLooks => ({
  isThere: (namespaceId, name) => isQueueThere(scope, namespaceId, name),
});

const idOf = (namespaceId: string, name: string) => `${namespaceId}/${name}`;

export function createKnownQueues({ isThere }: QueueLooks, listener: Pick<Listener, "on">): KnownQueues {
  const known = createBriefMemory<{ id: string }>({
    async load(id) {
      const [namespaceId, name] = id.split("/") as [string, string];
      return (await isThere(namespaceId, name)) ? { id } : undefined;
    },
    idOf: ({ id }) => id,
    listener,
    channel: "bellhop_queues",
  });
  return {
    isThere: async (namespaceId, name) =>
      name === DEFAULT_QUEUE || (await known.find(idOf(namespaceId, name))) !== undefined,
    forget: (namespaceId, name) => known.forget(idOf(namespaceId, name)),
  };
}

/** Whoever comes with a token, or is an operator, may outlast the namespace in which he acts: a stream of his ends with that. */
import type { Clock } from "../../core/clock.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { Namespace } from "../../core/store/namespaces.ts";

/** With what is remembered of a namespace it is told within a second and a half where no bell is heard. */
export const LOOK_EVERY_MS = 500;

export interface NamespaceWatchParts {
  clock: Pick<Clock, "after">;
  /** Remembered for a moment: however many streams are open, a namespace is looked up once. */
  find(name: string): Promise<Pick<Namespace, "id" | "closedAt"> | undefined>;
}

/** Calls `onGone` once it is being deleted or gone; what it answers is called by who does not care any longer. */
export function watchNamespace(
  { clock, find }: NamespaceWatchParts,
  { namespaceId, namespace }: Pick<KeyOwner, "namespaceId" | "namespace">,
  onGone: () => void,
): () => void {
  let isWatching = true;
  let stopWaiting = () => {};

  /** One of the same name may have been made since. */
  async function isGone(): Promise<boolean> {
    try {
      const found = await find(namespace);
      return !found || found.closedAt !== null || found.id !== namespaceId;
    } catch {
      // A database that is away ends no stream.
      return false;
    }
  }

  async function look(): Promise<void> {
    const isOver = await isGone();
    if (!isWatching) return;
    if (isOver) onGone();
    else wait();
  }

  function wait(): void {
    stopWaiting = clock.after(LOOK_EVERY_MS, () => void look());
  }

  wait();
  return () => {
    isWatching = false;
    stopWaiting();
  };
}

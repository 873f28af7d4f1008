/** Signs deliveries with the secrets of their namespace, which are looked up at most once a second. */
import type { Clock } from "../../core/clock.ts";
import { type SignedMessage, signMessage } from "../../core/secrets/webhook-signature.ts";

/** How long a rotation may be unknown here. The secret that signs until then stays valid beside the new one. */
const REMEMBERED_MS = 1_000;
/** Namespaces; beyond them those that are too old are forgotten. */
const MAX_REMEMBERED = 1_000;

export interface DeliverySigner {
  /** The headers. Rejects where the namespace's secrets cannot be read or opened. */
  sign(namespaceId: string, message: Omit<SignedMessage, "at">): Promise<Record<string, string>>;
}

/** @param load the secrets of a namespace that are valid, `whsec_…` */
export function createDeliverySigner(
  load: (namespaceId: string) => Promise<string[]>,
  clock: Clock,
): DeliverySigner {
  const remembered = new Map<string, { secrets: Promise<string[]>; untilMs: number }>();

  function find(namespaceId: string): Promise<string[]> {
    const nowMs = clock.now().getTime();
    const known = remembered.get(namespaceId);
    if (known && known.untilMs > nowMs) return known.secrets;
    if (remembered.size >= MAX_REMEMBERED)
      for (const [id, { untilMs }] of remembered) if (untilMs <= nowMs) remembered.delete(id);
    const entry = { secrets: load(namespaceId), untilMs: nowMs + REMEMBERED_MS };
    remembered.set(namespaceId, entry);
    // What failed is asked for anew.
    entry.secrets.catch(() => {
      if (remembered.get(namespaceId) === entry) remembered.delete(namespaceId);
    });
    return entry.secrets;
  }

  return {
    sign: async (namespaceId, message) =>
      signMessage(await find(namespaceId), { ...message, at: clock.now() }),
  };
}

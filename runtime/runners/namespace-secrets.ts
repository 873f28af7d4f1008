/** The secrets of namespaces, opened, for tasks that name them. */

import { openSecrets, type SealedSecret } from "../../core/secrets/open-secrets.ts";
import type { Sealer } from "../../core/secrets/sealer.ts";
import { createBriefMemory } from "../../core/store/brief-memory.ts";
import type { Listener } from "../../core/store/listen.ts";

export interface NamespaceSecrets {
  /** By name. Rejects with `secrets_unavailable` where one cannot be opened; no error names a value. */
  find(namespaceId: string): Promise<ReadonlyMap<string, string>>;
}

export function createNamespaceSecrets(
  load: (namespaceId: string) => Promise<SealedSecret[]>,
  sealer: Sealer | undefined,
  listener: Pick<Listener, "on">,
): NamespaceSecrets {
  const memory = createBriefMemory({
    async load(namespaceId) {
      const opened = openSecrets(await load(namespaceId), sealer);
      return { namespaceId, values: new Map(opened.map(({ name, value }) => [name, value])) };
    },
    idOf: ({ namespaceId }) => namespaceId,
    listener,
    // A change of a namespace's secrets rings it without an id.
    channel: "bellhop_functions",
  });
  return {
    async find(namespaceId) {
      return (await memory.find(namespaceId))!.values;
    },
  };
}

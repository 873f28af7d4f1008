/** What runs of a revision find in their environment, opened, and the redactor of its secrets. */

import { openSecrets } from "../../core/secrets/open-secrets.ts";
import { createRedactor, type Redactor } from "../../core/secrets/redact.ts";
import type { Sealer } from "../../core/secrets/sealer.ts";
import { createBriefMemory } from "../../core/store/brief-memory.ts";
import type { Listener } from "../../core/store/listen.ts";
import type { SealedEnv } from "../../core/store/secrets.ts";
import { createFormerSecrets, type FormerSecrets } from "./former-secrets.ts";

export interface FunctionEnv {
  functionId: string;
  /** The namespace's secrets, the revision's settings, the function's secrets: the later wins. */
  env: Record<string, string>;
  redactor: Redactor;
}

export interface FunctionEnvs {
  /** Rejects with `secrets_unavailable` where a secret cannot be opened; no error names a value. */
  find(revisionId: string): Promise<FunctionEnv>;
  /** What is known right now, without a look. */
  recall(revisionId: string): FunctionEnv | undefined;
}

export function createFunctionEnvs(
  load: {
    one(revisionId: string): Promise<SealedEnv | undefined>;
    /** By revision; without those that are not there. */
    several?(revisionIds: string[]): Promise<ReadonlyMap<string, SealedEnv>>;
  },
  sealer: Sealer | undefined,
  listener: Pick<Listener, "on">,
): FunctionEnvs {
  const former = createFormerSecrets();
  const open = (sealed: SealedEnv) => openEnv(sealed, sealer, former);
  const { several } = load;
  const memory = createBriefMemory<FunctionEnv>({
    load: async (revisionId) => {
      const sealed = await load.one(revisionId);
      return sealed && open(sealed);
    },
    ...(several ? { loadMany: async (ids: string[]) => openThose(await several(ids), open) } : {}),
    idOf: ({ functionId }) => functionId,
    listener,
    channel: "bellhop_functions",
  });
  return {
    async find(revisionId) {
      const found = await memory.find(revisionId);
      if (!found) throw new Error("The revision of this run is not there.");
      return found;
    },
    recall: memory.recall,
  };
}

/** What cannot be opened is left out. */
function openThose(
  sealed: ReadonlyMap<string, SealedEnv>,
  open: (sealed: SealedEnv) => FunctionEnv,
): Map<string, FunctionEnv> {
  const opened = new Map<string, FunctionEnv>();
  for (const [revisionId, each] of sealed) {
    try {
      opened.set(revisionId, open(each));
    } catch {
      // Its own look says why.
    }
  }
  return opened;
}

function openEnv(
  { functionId, env, secrets }: SealedEnv,
  sealer: Sealer | undefined,
  former: FormerSecrets,
): FunctionEnv {
  const opened = openSecrets(secrets, sealer);
  const entries = (of: typeof opened) => Object.fromEntries(of.map(({ name, value }) => [name, value]));
  const isOwn = ({ functionId: of }: (typeof opened)[number]) => of !== null;
  const all = {
    ...entries(opened.filter((secret) => !isOwn(secret))),
    ...env,
    ...entries(opened.filter(isOwn)),
  };
  const named = opened.map(({ name, value }) => [name, value] as const);
  return { functionId, env: all, redactor: createRedactor(former.with(functionId, named)) };
}

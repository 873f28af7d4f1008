/** What the call needs that a worker was started for. */
import type { FunctionEnvs } from "./runners/function-env.ts";
import type { RevisionCache } from "./runners/revision-cache.ts";

/** Never rejects: what is not there, or goes wrong, is found out by the call, if one comes. */
export async function fetchAhead(
  { revisions, envs }: { revisions: Pick<RevisionCache, "facts">; envs: Pick<FunctionEnvs, "find"> },
  revisionId: string,
): Promise<void> {
  try {
    // One after the other: by one connection.
    await revisions.facts(revisionId);
    await envs.find(revisionId);
  } catch {
    // The call says more.
  }
}

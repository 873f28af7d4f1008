import { functionKey } from "../../core/domain/limit-keys.ts";
import type { Store } from "../../core/store/database.ts";
import { countNewLimit } from "../../core/store/limits/count-new-limit.ts";
import { grantPermits } from "../../core/store/limits/grant-permits.ts";
import { revokePermits } from "../../core/store/limits/revoke-permits.ts";
import type { ApiParts } from "../environment.ts";

/**
 * To be called when a function was changed: who keeps what calls need of it looks again. What leads now may let
 * more run at once; where those that wait cannot be looked for, the scheduler soon does it.
 */
export async function announceChange(parts: ApiParts, functionId: string): Promise<void> {
  parts.callables.forget(functionId);
  parts.notifier.notify("bellhop_functions", [functionId]);
  await parts.afterCommit(async ({ store, log, ringer }) => {
    const granted = await regrantPermits(store, functionKey(functionId)).catch((error) => {
      log.warn({ error }, "runs that wait for a permit were not looked for; the scheduler does it");
      return [];
    });
    ringer.ring(granted);
  });
}

async function regrantPermits(store: Store, key: string) {
  await countNewLimit(store, key);
  return await grantPermits(store, await revokePermits(store, key));
}

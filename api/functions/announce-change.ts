import { offerRoom } from "../../core/store/runs/room.ts";
import type { ApiParts } from "../environment.ts";

/**
 * To be called when a function was changed: who keeps what calls need of it looks again. What leads now may leave room
 * for runs that wait for it; where it cannot be looked, the scheduler soon does.
 */
export async function announceChange(parts: ApiParts, functionId: string): Promise<void> {
  const { store, log, ringer, notifier } = parts;
  parts.callables.forget(functionId);
  notifier.notify("bellhop_functions", [functionId]);
  const offered = await offerRoom(store, [functionId]).catch((error) => {
    log.warn({ error }, "runs that wait for room were not looked for; the scheduler does it");
    return [];
  });
  ringer.ring(offered);
}

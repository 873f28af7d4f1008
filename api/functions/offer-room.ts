import { offerRoom } from "../../core/store/runs/room.ts";
import type { ApiParts } from "../environment.ts";

/** What leads now may leave room for runs that wait for it; where it cannot be looked, the scheduler soon does. */
export async function offerRoomOf({ store, log, ringer }: ApiParts, functionId: string): Promise<void> {
  const offered = await offerRoom(store, [functionId]).catch((error) => {
    log.warn({ error }, "runs that wait for room were not looked for; the scheduler does it");
    return [];
  });
  ringer.ring(offered);
}

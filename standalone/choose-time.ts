/** What schedules see: the true time, or the clock for tests, which never goes back. */
import { BellhopError } from "../core/errors.ts";
import { createVirtualTime, type VirtualTime } from "../core/schedule-time.ts";
import type { Store } from "../core/store/database.ts";
import { openVirtualClock, readVirtualClock, removeVirtualClock } from "../core/store/virtual-clock.ts";

/** Undefined: the true time. Throws `clock_ahead` where tasks have seen a time that is to come, and are to see the true one. */
export async function chooseTime(
  store: Store,
  isVirtual: boolean,
  now: Date,
): Promise<VirtualTime | undefined> {
  if (isVirtual) return createVirtualTime(await openVirtualClock(store, now));
  const standsAt = await readVirtualClock(store);
  if (standsAt !== undefined && standsAt > now)
    throw new BellhopError(
      "clock_ahead",
      500,
      `The tasks of this data folder have seen ${standsAt.toISOString()}, by a clock for tests: time does not go back. Start it with --clock=virtual, or set BELLHOP_DATA_DIR to another folder.`,
    );
  if (standsAt !== undefined) await removeVirtualClock(store);
  return undefined;
}

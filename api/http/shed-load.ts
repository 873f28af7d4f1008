/**
 * Overload is refused at the door. A request that waits for a connection until its caller has given up is work for
 * nobody, and while those are served everybody comes too late: an API could stay without answers for minutes after what
 * overloaded it had gone. So is who comes while others have not taken what was made for them.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { MiddlewareHandler, Next } from "hono";
import type { Store } from "../../core/store/database.ts";
import type { Edge } from "../edge/edge.ts";
import { MAX_UNTAKEN_BYTES } from "../edge/untaken-responses.ts";
import { BusyError } from "./busy-error.ts";

/** Who comes while another has waited so long for a connection would wait about as long. */
export const LONGEST_WAIT_MS = 2_000;
const RETRY_AFTER_SECONDS = 2;

export function shedLoad(
  { longestWaitMs }: Pick<Store, "longestWaitMs">,
  { untaken }: Pick<Edge, "untaken">,
): MiddlewareHandler {
  async function goOnUnlessLate(next: Next): Promise<void> {
    await refuseIfLate(longestWaitMs);
    await next();
  }

  return (_context, next) => {
    if (untaken.bytes() > MAX_UNTAKEN_BYTES)
      throw new BusyError(
        "overloaded",
        "Clients have too many unread bytes of responses from this API; try again in a moment.",
        RETRY_AFTER_SECONDS,
      );
    return isLate(longestWaitMs) ? goOnUnlessLate(next) : next();
  };
}

const isLate = (longestWaitMs: () => number) => longestWaitMs() > LONGEST_WAIT_MS;

/**
 * 503 where somebody has waited too long. While this process stood still it handed on no connection that had come back:
 * those wait for it, not for the database.
 */
export async function refuseIfLate(longestWaitMs: () => number): Promise<void> {
  if (!isLate(longestWaitMs)) return;
  await nextTurn();
  if (!isLate(longestWaitMs)) return;
  throw new BusyError(
    "overloaded",
    "There are more requests than the database can handle in time; try again in a moment.",
    RETRY_AFTER_SECONDS,
  );
}

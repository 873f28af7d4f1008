/**
 * Overload is refused at the door. A request that waits for a connection until its caller has given up is work for
 * nobody, and while those are served everybody comes too late: an API could stay without answers for minutes after what
 * overloaded it had gone.
 */
import type { MiddlewareHandler } from "hono";
import type { Store } from "../../core/store/database.ts";
import { BusyError } from "./busy-error.ts";

/** Who comes while another has waited so long for a connection would wait about as long. */
export const LONGEST_WAIT_MS = 2_000;
const RETRY_AFTER_SECONDS = 2;

export function shedLoad({ longestWaitMs }: Pick<Store, "longestWaitMs">): MiddlewareHandler {
  return async (_context, next) => {
    if (longestWaitMs() > LONGEST_WAIT_MS)
      throw new BusyError(
        "overloaded",
        "More is asked of this API than the database does in time; try again in a moment.",
        RETRY_AFTER_SECONDS,
      );
    await next();
  };
}

import type { Context } from "hono";
import { invalidField } from "../../core/errors.ts";

/** 422 for a follower's `limit`: a stream has no pages. Read as it was sent: a query that was parsed has the default. */
export function refuseLimit(context: Context): void {
  if (context.req.query("limit") !== undefined)
    throw invalidField("limit", "cannot be combined with follow=true");
}

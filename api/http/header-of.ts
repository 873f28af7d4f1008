import type { Context } from "hono";
import { type ApiEnv, ownIncomingOf } from "../environment.ts";

/**
 * A request's header, by its name in lower case. Of those that are asked for most did not come, which Node knows at once of
 * a request's first thousand, without the checks of a name and the search through pairs that `Headers` makes of each.
 */
export function headerOf(context: Context<ApiEnv>, name: string): string | undefined {
  const incoming = ownIncomingOf(context);
  return incoming && incoming.headers[name] === undefined ? undefined : context.req.header(name);
}

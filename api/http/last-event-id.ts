import type { Context } from "hono";
import { BellhopError } from "../../core/errors.ts";
import type { ApiEnv } from "../environment.ts";

/**
 * What a reader of a stream, who connects again by itself, says that it saw last; undefined where it says nothing.
 * @param parse undefined for what the stream never gave as an id, which is a 400
 */
export function readLastEventId<Position>(
  context: Context<ApiEnv>,
  parse: (id: string) => Position | undefined,
): Position | undefined {
  const given = context.req.header("last-event-id");
  if (given === undefined) return undefined;
  const position = parse(given);
  if (position !== undefined) return position;
  throw new BellhopError("invalid_input", 400, "Last-Event-ID is not an id from this stream.");
}

import type { Context } from "hono";
import { z } from "zod";
import { BellhopError } from "../../core/errors.ts";

export const TRAFFIC_KEY_HEADER = "bellhop-traffic-key";
const MAX_CHARS = 200;

export const trafficKeyHeader = z.string().max(MAX_CHARS).meta({
  description: "Calls with the same key get the same revision as long as the traffic does not change.",
});

/** Calls with the same key get the same revision while the traffic stands. 400 where it is too long. */
export function readTrafficKey(context: Context): string | undefined {
  const key = context.req.header(TRAFFIC_KEY_HEADER);
  if (key === undefined || key === "") return undefined;
  if (key.length > MAX_CHARS) {
    throw new BellhopError("bad_request", 400, `Bellhop-Traffic-Key holds at most ${MAX_CHARS} characters.`);
  }
  return key;
}

/** `Prefer: return=minimal` (RFC 7240). */
import type { Context } from "hono";
import { headerOf } from "./header-of.ts";

const PREFERS_MINIMAL = /(?:^|[,\s])return\s*=\s*"?minimal"?\s*(?:[,;]|$)/i;

export const prefersMinimal = (context: Context): boolean =>
  PREFERS_MINIMAL.test(headerOf(context, "prefer") ?? "");

/** Of an answer that is minimal. */
export const MINIMAL_APPLIED = { "preference-applied": "return=minimal" };

/** Request limits as headers, by the IETF's draft "RateLimit header fields for HTTP". */
import type { Context } from "hono";

/** What a request counts against, as it stands after it. */
export interface RateLimit {
  /** What the headers call it, such as `requests`: lower-case letters, digits and dashes. */
  name: string;
  /** So many in a window. */
  quota: number;
  windowSeconds: number;
  /** Still free, never below 0. */
  remaining: number;
  /** Whole seconds, rounded up, until there is room again, or more of it. */
  resetSeconds: number;
}

/** Adds them to whatever the request is answered, a 429 as well. */
export function showRateLimits(context: Context, limits: readonly RateLimit[]): void {
  if (limits.length === 0) return;
  const policies = limits.map(({ name, quota, windowSeconds }) => `"${name}";q=${quota};w=${windowSeconds}`);
  const states = limits.map(
    ({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`,
  );
  context.header("ratelimit-policy", policies.join(", "));
  context.header("ratelimit", states.join(", "));
}

/** Of a request that does not count after all. */
export function hideRateLimits(context: Context): void {
  context.header("ratelimit-policy", undefined);
  context.header("ratelimit", undefined);
}

/** Who asks more often than his namespace lets him is told when to come again. */
import type { Context, MiddlewareHandler } from "hono";
import type { RequestRate, TakenRequest } from "../../core/domain/request-rate.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import { formatDuration } from "../../core/duration.ts";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { ApiEnv } from "../environment.ts";
import { showRateLimits } from "../http/rate-limits.ts";
import { bucketOf, type RequestRates } from "./request-rates.ts";

/** The rate that a key is held to; undefined: none, as of operators, who are to help where a tenant has come to its end. */
export const rateOf = ({ scopes, limits }: KeyOwner): RequestRate | undefined =>
  isOperator(scopes) ? undefined : (limits?.requests ?? undefined);

/** 429 for who asks more often than he may; says how much is left in any case. */
export function limitRequests(rates: RequestRates): MiddlewareHandler<ApiEnv> {
  return (context, next) => {
    const owner = context.get("owner");
    const rate = rateOf(owner);
    if (rate)
      demandRequest(
        context,
        { name: "requests", by: "the key makes" },
        rates.take(bucketOf(owner), rate),
        rate,
      );
    return next();
  };
}

/** Says how much is left, and refuses what is too much by a 429. `by`: who makes them, in words. */
export function demandRequest(
  context: Context,
  { name, by }: { name: string; by: string },
  taken: TakenRequest,
  { limit, perMs }: RequestRate,
): void {
  const resetSeconds = Math.ceil(taken.nextInMs / 1_000);
  const { remaining } = taken;
  showRateLimits(context, [
    { name, quota: limit, windowSeconds: Math.ceil(perMs / 1_000), remaining, resetSeconds },
  ]);
  if (taken.isTaken) return;
  const message = `${name}: ${by} more than ${limit} in ${formatDuration(perMs)}; try again in ${resetSeconds} s.`;
  throw new BellhopError("rate_limited", 429, message, [], resetSeconds);
}

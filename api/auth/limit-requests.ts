/** Who asks more often than his namespace lets him is told when to come again. */
import type { Context, MiddlewareHandler } from "hono";
import type { RequestRate, TakenRequest } from "../../core/domain/request-rate.ts";
import { isOperator } from "../../core/domain/scopes.ts";
import { formatDuration } from "../../core/duration.ts";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { ApiEnv } from "../environment.ts";
import { showRateLimits } from "../http/rate-limits.ts";
import type { RequestRates } from "./request-rates.ts";

/** The rate that a key is held to; undefined: none, as of operators, who are to help where a tenant has come to its end. */
export const rateOf = ({ scopes, limits }: KeyOwner): RequestRate | undefined =>
  isOperator(scopes) ? undefined : (limits?.requests ?? undefined);

/** 429 for who asks more often than he may; says how much is left in any case. */
export function limitRequests(rates: RequestRates): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const owner = context.get("owner");
    const rate = rateOf(owner);
    if (rate) demandRequest(context, rates.take(owner.keyId, rate), rate);
    await next();
  };
}

function demandRequest(context: Context, taken: TakenRequest, { limit, perMs }: RequestRate): void {
  const resetSeconds = Math.ceil(taken.nextInMs / 1_000);
  const { remaining } = taken;
  showRateLimits(context, [
    { name: "requests", quota: limit, windowSeconds: Math.ceil(perMs / 1_000), remaining, resetSeconds },
  ]);
  if (taken.isTaken) return;
  const message = `requests: the key makes more than ${limit} in ${formatDuration(perMs)}; try again in ${resetSeconds} s.`;
  throw new BellhopError("rate_limited", 429, message, [], resetSeconds);
}

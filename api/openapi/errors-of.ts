/** Status → codes of the errors that a route may answer: those it names, and those that follow from what it is. */
import type { ProblemCode } from "../../core/contracts/problem.ts";
import { isIdempotent, keepsAnswers, type Route, takesConditions } from "../http/route.ts";

export type ErrorCodes = Record<number, ReadonlySet<ProblemCode | "*">>;

/** Of a head that cannot be read, or is too long: the server answers before any route is looked for. */
const HEAD = { 400: ["bad_request"], 431: ["headers_too_large"] } as const;
/** What a request with a key may meet. */
const WITH_KEY = {
  401: ["unauthenticated"],
  403: ["forbidden"],
  404: ["not_found"],
  409: ["namespace_closed"],
  429: ["rate_limited"],
  503: ["issuer_unavailable"],
} as const;
const QUERY = { 422: ["invalid_input"] } as const;
const BODY = {
  400: ["bad_request", "invalid_json"],
  408: ["request_body_too_slow"],
  413: ["body_too_large"],
  415: ["unsupported_media_type"],
  422: ["invalid_input"],
  503: ["too_many_bodies"],
} as const;
const IDEMPOTENT = {
  400: ["invalid_idempotency_key"],
  409: ["idempotency_key_in_use"],
  422: ["idempotency_key_reused"],
} as const;
/** What cannot be looked at is never taken for fulfilled. */
const CONDITION = { 400: ["unsupported_condition"] } as const;
const CONDITIONAL = { 412: ["precondition_failed"] } as const;
const ANSWER_KEPT = { 409: ["answer_not_kept"] } as const;
/** Of all that ask the database. */
const ALWAYS = { 500: ["internal_error"], 503: ["database_unavailable", "overloaded"] } as const;

type Codes = Record<number, readonly (ProblemCode | "*")[]>;

export function errorsOf(route: Route): ErrorCodes {
  const all: Codes[] = [route.errors ?? {}, HEAD];
  if (!route.takesAnyQuery) all.push(QUERY);
  if (route.access !== null) all.push(WITH_KEY);
  if (route.access !== null && route.method !== "GET") all.push(BODY);
  if (isIdempotent(route)) all.push(IDEMPOTENT);
  if (keepsAnswers(route)) all.push(ANSWER_KEPT);
  if (takesConditions(route)) all.push(CONDITION);
  if (route.entity) all.push(CONDITIONAL);
  if (!route.isUnconditional) all.push(ALWAYS);
  const codes: Record<number, Set<ProblemCode | "*">> = {};
  for (const part of all)
    for (const [status, more] of Object.entries(part))
      codes[Number(status)] = new Set([...(codes[Number(status)] ?? []), ...more]);
  return codes;
}

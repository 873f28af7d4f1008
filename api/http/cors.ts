/** Which pages of other origins may call the API from a browser: none, unless the operator names them. */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { NAMESPACE_HEADER } from "../auth/act-in.ts";
import { TRAFFIC_KEY_HEADER } from "../calls/traffic-key.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/** What requests may carry. */
const TAKEN = [
  ...["authorization", "bellhop-key", NAMESPACE_HEADER, TRAFFIC_KEY_HEADER, "content-type"],
  ...[
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "prefer",
    "traceparent",
    "mcp-protocol-version",
  ],
];
/** What scripts may read of answers, besides what browsers always show. */
const SHOWN = [
  ...["bellhop-deduplicated", "bellhop-run-id", "etag", "idempotency-replayed", "last-event-id"],
  ...[
    "link",
    "location",
    "preference-applied",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
  ],
];
/** How long a browser need not ask again. */
const PREFLIGHT_SECONDS = 600;

/**
 * @param origins `https://app.example.com` and so on, or `*` alone. Credentials are never allowed: a key is sent in a header,
 * so no cookie and no login of a browser counts.
 */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler {
  const allow = cors({
    origin: origins.includes("*") ? "*" : (origin) => (origins.includes(origin) ? origin : null),
    ...{ allowMethods: METHODS, allowHeaders: TAKEN, exposeHeaders: SHOWN, maxAge: PREFLIGHT_SECONDS },
  });
  return async (context, next) => {
    const origin = context.req.header("origin");
    const isAllowed = origin !== undefined && (origins.includes("*") || origins.includes(origin));
    const isPreflight = context.req.header("access-control-request-method") !== undefined;
    // Any other OPTIONS asks what a path takes, and is answered as without an origin.
    if (isAllowed && (context.req.method !== "OPTIONS" || isPreflight)) return await allow(context, next);
    if (!origins.includes("*")) context.header("vary", "Origin", { append: true });
    return await next();
  };
}

import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { ApiMetrics } from "../../core/telemetry/metrics/api.ts";
import type { ApiEnv } from "../environment.ts";

/** Requests that no route answered. */
const NO_ROUTE = "none";
/** The one route that ends so; any other such path is a middleware's. */
const FUNCTION_URLS = "/fn/*";

/** Counts each request by its route as the code writes it, until its response begins. */
export function measureRequests(metrics: ApiMetrics): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const begunMs = performance.now();
    await next();
    const path = routePath(context, -1);
    const route = path === FUNCTION_URLS || !path.endsWith("*") ? path : NO_ROUTE;
    const { method } = context.req;
    metrics.count({ method, route, status: context.res.status, durationMs: performance.now() - begunMs });
  };
}

/** A span for each request: a child of the caller's, where it sends a `traceparent`. */
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { BellhopError } from "../../core/errors.ts";
import { methodAttribute } from "../../core/telemetry/http-spans.ts";
import { NO_SPAN, type Span, type Tracer } from "../../core/telemetry/tracing.ts";
import type { ApiEnv } from "../environment.ts";

/** Where no route takes a request, the last that looked at it is this one. */
const NO_ROUTE = "/*";

/**
 * Named by the route's template. Paths and queries stand in no span: a webhook's token is part of its path, and a
 * function's URL is its author's.
 */
export function traceRequests(tracer: Tracer): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const method = methodAttribute(context.req.method);
    const span = tracer.continueTrace(method, context.req.header("traceparent"), {
      kind: "server",
      attributes: { "http.request.method": method },
    });
    context.set("span", span);
    try {
      await next();
      describeAnswer(span, method, context);
    } finally {
      span.end();
    }
  };
}

function describeAnswer(span: Span, method: string, context: Context<ApiEnv>): void {
  const route = routePath(context);
  const { status, headers } = context.res;
  if (route !== NO_ROUTE) span.rename(`${method} ${route}`);
  span.set({
    "http.route": route === NO_ROUTE ? undefined : route,
    "http.response.status_code": status,
    "bellhop.namespace.id": context.get("owner")?.namespaceId,
    "bellhop.run.id": headers.get("bellhop-run-id") ?? undefined,
  });
  if (status < 500) return;
  span.fail(context.error instanceof BellhopError ? context.error.code : String(status));
}

/** The request's span, of a context of any route. */
export function spanOf(context: Context): Span {
  return (context as Context<ApiEnv>).get("span") ?? NO_SPAN;
}

/** What the request makes remembers it by this. */
export function traceparentOf(context: Context): string | undefined {
  return spanOf(context).traceparent;
}

/** What a request is told that no route takes: 405 where its path is one with other methods, else 404. */
import type { Context } from "hono";
import { BellhopError } from "../../core/errors.ts";
import type { ApiEnv } from "../environment.ts";
import { answerProblem } from "./problem.ts";
import type { Route } from "./route.ts";

interface KnownPath {
  pattern: RegExp;
  methods: Set<string>;
}

/** @param secret by what their paths begin with, what those are told that may hold a token: it is not repeated */
export function createNoRouteHandler(
  routes: readonly Route[],
  secret: Record<string, () => BellhopError>,
): (context: Context<ApiEnv>) => Response {
  const paths = collectPaths(routes);
  return (context) => {
    const { method, path } = context.req;
    const allowed = new Set(
      paths.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods]),
    );
    if (allowed.size > 0) return refuseMethod(context, method, allowed);
    const unknown = Object.entries(secret).find(([base]) => path === base || path.startsWith(`${base}/`));
    if (unknown) return answerProblem(context, unknown[1]());
    const message = `There is no ${method} ${path}.`;
    return answerProblem(context, new BellhopError("no_such_route", 404, message));
  };
}

function collectPaths(routes: readonly Route[]): KnownPath[] {
  const known = new Map<string, Set<string>>();
  for (const { method, path } of routes)
    if (method !== "ALL") known.set(path, (known.get(path) ?? new Set()).add(method));
  return [...known].map(([path, methods]) => ({
    pattern: toPattern(path),
    methods,
  }));
}

/** What paths a route's path matches. */
export function toPattern(path: string): RegExp {
  const pattern = path.replaceAll(/:\w+(?:\{([^}]*)\})?|[.*]/g, (part, own: string | undefined) => {
    if (part === ".") return "\\.";
    return part === "*" ? ".*" : (own ?? "[^/]+");
  });
  return new RegExp(`^${pattern}$`);
}

/** HEAD goes wherever GET does. An OPTIONS is answered by the same header. */
function refuseMethod(context: Context<ApiEnv>, method: string, methods: Set<string>): Response {
  if (methods.has("GET")) methods.add("HEAD");
  const allow = [...methods.add("OPTIONS")].sort().join(", ");
  context.header("allow", allow);
  if (method === "OPTIONS") return context.body(null, 204);
  const message = `This path takes ${allow}, not ${method}.`;
  return answerProblem(context, new BellhopError("method_not_allowed", 405, message));
}

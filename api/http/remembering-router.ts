/**
 * Hono's own router, asked once for each path that a route names as it is, such as `/v1/tasks`: patterns among the routes
 * have it walk a tree for every request, and what it finds for such a path is always the same.
 */
import type { Result, Router } from "hono/router";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";

export function createRememberingRouter<Handler>(paths: readonly string[]): Router<Handler> {
  const router = new SmartRouter<Handler>({ routers: [new RegExpRouter(), new TrieRouter()] });
  const fixed = new Set(paths.filter((path) => !/[:*{]/.test(path)));
  /** By method and path: no more than there are of either. */
  const known = new Map<string, Result<Handler>>();
  return {
    name: "RememberingRouter",
    add: (method, path, handler) => router.add(method, path, handler),
    match(method, path) {
      if (!fixed.has(path) || !METHODS.has(method)) return router.match(method, path);
      const name = `${method} ${path}`;
      const found = known.get(name);
      if (found) return found;
      const matched = router.match(method, path);
      known.set(name, matched);
      return matched;
    },
  };
}

/** A caller may make up others. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

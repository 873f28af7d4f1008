/**
 * Hono's own router, asked once for each path: patterns among the routes have it walk a tree for every request, and what it
 * finds for a path is always the same. A path that a route names as it is, such as `/v1/tasks`, is remembered for good; of
 * the others, such as a function's URL, the last ones.
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
  const recent = new Map<string, Result<Handler>>();
  return {
    name: "RememberingRouter",
    add: (method, path, handler) => router.add(method, path, handler),
    match(method, path) {
      if (!METHODS.has(method) || path.length > MAX_PATH_CHARS) return router.match(method, path);
      const name = `${method} ${path}`;
      const isFixed = fixed.has(path);
      const remembered = isFixed ? known : recent;
      const found = remembered.get(name);
      if (found) return found;
      const matched = router.match(method, path);
      if (!isFixed && recent.size >= MAX_RECENT) recent.delete(recent.keys().next().value!);
      remembered.set(name, matched);
      return matched;
    },
  };
}

const MAX_RECENT = 1_000;
/** A longer one is seldom asked for again. */
const MAX_PATH_CHARS = 256;

/** A caller may make up others. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

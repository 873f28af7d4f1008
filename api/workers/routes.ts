/** `/v1/workers`: who is there to run things. They belong to no namespace: for administrators alone. */
import { Hono } from "hono";
import { listWorkers } from "../../core/store/workers.ts";
import { requireScope } from "../auth/scopes.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";

const MAX_LISTED = 1_000;

export function workerRoutes({ store }: ApiParts): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.get("/", requireScope("admin"), async (context) => {
    const workers = await listWorkers(store, MAX_LISTED);
    return context.json({
      items: workers.map(({ since, ...rest }) => ({ ...rest, since: since.toISOString() })),
    });
  });
  return routes;
}

/** `/v1/functions`: one file a feature. */
import { Hono } from "hono";
import { callRoutes } from "../calls/routes.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { hookRoutes } from "../hooks/function-hook-routes.ts";
import { logRoutes } from "../logs/routes.ts";
import { functionSecretRoutes } from "../secrets/routes.ts";
import { deployRoutes } from "./deploy-routes.ts";
import { revisionRoutes } from "./revision-routes.ts";

export function functionRoutes(parts: ApiParts): Hono<ApiEnv> {
  return new Hono<ApiEnv>()
    .route("/", deployRoutes(parts))
    .route("/", revisionRoutes(parts))
    .route("/", callRoutes(parts))
    .route("/", hookRoutes(parts))
    .route("/", functionSecretRoutes(parts))
    .route("/", logRoutes(parts));
}

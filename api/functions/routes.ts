/** `/v1/functions`: one file a feature. */
import { Hono } from "hono";
import type { ApiEnv, ApiParts } from "../environment.ts";
import { functionSecretRoutes } from "../secrets/routes.ts";
import { callRoutes } from "./call-routes.ts";
import { deployRoutes } from "./deploy-routes.ts";
import { hookRoutes } from "./hook-routes.ts";
import { logRoutes } from "./log-routes.ts";
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

/** `/v1/functions`: what is deployed, and which revision is reached. */
import type { Feature, RouteSettings } from "../http/route.ts";
import { deployRoutes } from "./deploy-routes.ts";
import { figureRoutes } from "./figure-routes.ts";
import { revisionRoutes } from "./revision-routes.ts";
import { trafficRoutes } from "./traffic-routes.ts";

export const functionFeature = (settings: RouteSettings): Feature => ({
  tag: "Functions",
  description: "Programs, their revisions, and how calls are split between them.",
  routes: [...deployRoutes(settings), ...revisionRoutes, ...trafficRoutes, ...figureRoutes],
});

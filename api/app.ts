/** The HTTP edge: one feature, one folder; handlers hold no rules. */
import { Hono } from "hono";
import { etag, RETAINED_304_HEADERS } from "hono/etag";
import type { H, RouterRoute } from "hono/types";
import { COMPLETE_PATH } from "../core/contracts/completion.ts";
import { BellhopError } from "../core/errors.ts";
import { authenticate, requireKey } from "./auth/authenticate.ts";
import { limitRequests } from "./auth/limit-requests.ts";
import { limitBody } from "./bodies/body.ts";
import { unknownToken } from "./completions/routes.ts";
import { ERRORS_PATH } from "./docs/errors-page.ts";
import type { ApiEnv, ApiParts } from "./environment.ts";
import { apiFeatures } from "./features.ts";
import { uploadBound } from "./functions/upload.ts";
import { unknownHook } from "./hooks/unknown-hook.ts";
import { allowOrigins } from "./http/cors.ts";
import { measureRequests } from "./http/measured-requests.ts";
import { mountRoutes } from "./http/mount-routes.ts";
import { createNoRouteHandler } from "./http/no-route.ts";
import { answerProblem, isRefusedValue, toBellhopError } from "./http/problem.ts";
import { toAddress } from "./http/public-address.ts";
import { createRememberingRouter } from "./http/remembering-router.ts";
import type { Feature } from "./http/route.ts";
import { shedLoad } from "./http/shed-load.ts";
import { spanOf, traceRequests } from "./http/trace-requests.ts";
import { MCP_PATH } from "./mcp/routes.ts";

/** Of a 304: without the last ones a page of another origin could not read it. */
const retainedHeaders = [
  ...RETAINED_304_HEADERS,
  ...["access-control-allow-origin", "access-control-expose-headers"],
];
/** Not traced: they are asked all the time. */
const PROBES = /^\/(healthz|readyz|metrics)$/;
/** Where nobody is without a key. */
const WITH_KEY = ["/v1/*", MCP_PATH];

export function createApp(parts: ApiParts, features: readonly Feature[] = apiFeatures(parts)): Hono<ApiEnv> {
  const { log, metrics, keyring, tracer, edge, requestRates } = parts;
  const routes = features.flatMap((feature) => feature.routes);
  // A slash at the end changes nothing; what stands behind a function's name is its own, and it sees it as it was sent.
  const router = createRememberingRouter<[H, RouterRoute]>(routes.map(({ path }) => path));
  const app = new Hono<ApiEnv>({ strict: false, router });

  app.use(measureRequests(metrics));
  // Not of functions' own URLs: who calls them need not know of the API.
  const errorsAddress = toAddress(ERRORS_PATH, parts.publicUrl);
  app.use("/v1/*", (context, next) => {
    context.set("errorsAddress", errorsAddress);
    return next();
  });
  mountRoutes(
    app,
    routes.filter(({ path }) => PROBES.test(path)),
    parts,
  );
  if (tracer.isOn) app.use(traceRequests(tracer));
  if (parts.corsOrigins.length > 0)
    for (const path of [...WITH_KEY, "/openapi.json"]) app.use(path, allowOrigins(parts.corsOrigins));
  for (const path of [...WITH_KEY, "/hooks/*"]) app.use(path, shedLoad(parts.store, edge));
  for (const path of WITH_KEY)
    app.use(
      path,
      requireKey(keyring),
      limitRequests(requestRates),
      limitBody(
        edge,
        (context) => authenticate(keyring, context),
        (context) => uploadBound(edge, context),
      ),
    );
  app.use(MCP_PATH, async (context, next) => {
    context.set("dispatch", async (request) => await app.fetch(request, { ...context.env, isInner: true }));
    await next();
  });
  for (const path of ["/openapi.json", "/docs", "/docs/*"]) app.use(path, etag({ retainedHeaders }));
  app.use("/console/sign-in", shedLoad(parts.store, edge));
  mountRoutes(
    app,
    routes.filter(({ path }) => !PROBES.test(path)),
    parts,
  );
  app.notFound(createNoRouteHandler(routes, { "/hooks": unknownHook, [COMPLETE_PATH]: unknownToken }));
  app.onError((error, context) => {
    // No text in the database holds U+0000: nothing has such a name.
    if (isRefusedValue(error) && new URL(context.req.url).pathname.includes("%00"))
      return answerProblem(context, new BellhopError("not_found", 404, "Nothing has this name."));
    return answerProblem(context, toBellhopError(error, log, spanOf(context).logFields));
  });
  return app;
}

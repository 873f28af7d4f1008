/** The HTTP edge: one feature, one folder; handlers hold no rules. */
import { Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { BellhopError } from "../core/errors.ts";
import { requireKey } from "./auth/authenticate.ts";
import { limitBody } from "./bodies/body.ts";
import { deadLetterRoutes } from "./dead-letters/routes.ts";
import type { ApiEnv, ApiParts } from "./environment.ts";
import { fnHandler } from "./fn/handler.ts";
import { functionRoutes } from "./functions/routes.ts";
import { hookCallRoutes } from "./hooks/routes.ts";
import { measureRequests } from "./http/measured-requests.ts";
import { answerProblem, toBellhopError } from "./http/problem.ts";
import { spanOf, traceRequests } from "./http/trace-requests.ts";
import { mailboxRoutes } from "./mailbox/routes.ts";
import { runRoutes } from "./runs/routes.ts";
import { namespaceSecretRoutes } from "./secrets/routes.ts";
import { taskRoutes } from "./tasks/routes.ts";
import { workerRoutes } from "./workers/routes.ts";

export function createApp(parts: ApiParts): Hono<ApiEnv> {
  const { probes, log, metrics, keyring, tracer, edge } = parts;
  const app = new Hono<ApiEnv>();

  app.use(measureRequests(metrics));
  for (const path of ["/healthz", "/readyz", "/metrics"]) {
    app.get(path, async (context) => {
      const answer = (await probes(path))!;
      return context.body(answer.body, answer.status as ContentfulStatusCode, {
        "content-type": answer.contentType,
      });
    });
  }
  if (tracer.isOn) app.use(traceRequests(tracer));
  app.use("/v1/*", requireKey(keyring), limitBody(edge));
  app.route("/v1/tasks", taskRoutes(parts));
  app.route("/v1/runs", runRoutes(parts));
  app.route("/v1/functions", functionRoutes(parts));
  app.route("/v1/secrets", namespaceSecretRoutes(parts));
  app.route("/v1/dead-letters", deadLetterRoutes(parts));
  app.route("/v1/workers", workerRoutes(parts));
  app.route("/v1/mailbox", mailboxRoutes(parts));
  app.all("/fn/*", fnHandler(parts));
  app.route("/hooks", hookCallRoutes(parts));
  app.notFound((context) =>
    answerProblem(
      context,
      new BellhopError("no_such_route", 404, `There is no ${context.req.method} ${context.req.path}.`),
    ),
  );
  app.onError((error, context) =>
    answerProblem(context, toBellhopError(error, log, spanOf(context).logFields)),
  );
  return app;
}

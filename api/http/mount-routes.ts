/** Serves routes: the key's scope, the query, the body, the handler, the answer. */
import type { Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { writeJson } from "../../core/json-source.ts";
import { demandScope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";
import { answerProblem } from "./problem.ts";
import { createQueryReader } from "./read-query.ts";
import type { Route } from "./route.ts";

export function mountRoutes(app: Hono<ApiEnv>, routes: readonly Route[], parts: ApiParts): void {
  for (const route of routes) {
    const { access, keepsSource = false } = route;
    const readQuery = route.takesAnyQuery ? undefined : createQueryReader(route.query);
    const readBody = createBodyReader(route);
    app.on(route.method, route.path, async (context) => {
      const owner = context.get("owner");
      if (access !== null) demandScope(owner, access);
      const query = readQuery?.(context);
      const body = await readBody?.(context);
      const params = context.req.param() as Record<string, string>;
      const answer = await route.handle({ parts, context, owner, params, query, body });
      return toResponse(context, answer, keepsSource);
    });
  }
}

/** Undefined where the handler reads it by itself, or there can be none. */
function createBodyReader({ method, body, ownBody }: Route) {
  if (ownBody || method === "GET") return undefined;
  if (!body) return refuseFields;
  const { schema, isOptional = false } = body;
  return async (context: Context<ApiEnv>) => {
    const given = await readJson(context, { optional: isOptional });
    return validate(schema, given === undefined ? {} : given);
  };
}

const noFields = z.strictObject({});

/** A route that takes nothing does not ignore what it is sent. */
async function refuseFields(context: Context<ApiEnv>): Promise<undefined> {
  if (!mayHaveBody(context)) return;
  const given = await readJson(context, { optional: true });
  if (given !== undefined) validate(noFields, given);
}

function mayHaveBody(context: Context<ApiEnv>): boolean {
  const { raw } = context.req;
  if (!incomingOf(context)) return raw.body !== null;
  return (raw.headers.get("content-length") ?? "0") !== "0" || raw.headers.has("transfer-encoding");
}

type Answered = Awaited<ReturnType<Route["handle"]>>;

function toResponse(context: Context, answer: Answered, keepsSource: boolean): Response {
  if (answer instanceof Response) return answer;
  if ("error" in answer) return answerProblem(context, answer.error);
  const { body, content, contentType, headers } = answer;
  const status = answer.status as ContentfulStatusCode;
  if (body !== undefined && !keepsSource) return context.json(body, status, headers);
  if (body !== undefined)
    return context.body(writeJson(body), status, { ...headers, "content-type": "application/json" });
  if (contentType === undefined) return context.body(null, status, headers);
  return context.newResponse(content ?? null, status, { ...headers, "content-type": contentType });
}

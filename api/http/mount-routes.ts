/** Serves routes: the key's scope, the query, the body, the handler, the answer. */
import type { Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import { writeJson } from "../../core/json-source.ts";
import type { Transaction } from "../../core/store/transaction.ts";
import { type InChange, isRecorded, lockChanged, recordChange } from "../audit/record-change.ts";
import { demandFunction, demandScope, type Scope } from "../auth/scopes.ts";
import { readJson, validate } from "../bodies/body.ts";
import { type ApiEnv, type ApiParts, incomingOf } from "../environment.ts";
import { answerOnce } from "./answer-once.ts";
import {
  answerUnderConditions,
  hasCondition,
  hasSame,
  hasTag,
  preconditionFailed,
  refuseConditions,
  tagOf,
} from "./entity.ts";
import { readIdempotencyKey } from "./idempotency.ts";
import { MINIMAL_APPLIED, prefersMinimal } from "./prefers-minimal.ts";
import { answerProblem } from "./problem.ts";
import { withAddresses } from "./public-address.ts";
import { createQueryReader } from "./read-query.ts";
import { type AnswerFacts, keepsAnswers, LazyBody, type Route, takesConditions } from "./route.ts";

export function mountRoutes(app: Hono<ApiEnv>, routes: readonly Route[], parts: ApiParts): void {
  for (const route of routes) {
    const { access, keepsSource = false } = route;
    const readQuery = route.takesAnyQuery ? undefined : createQueryReader(route.query);
    const readBody = createBodyReader(route);
    const respond = async (context: Context<ApiEnv>, given: ApiParts): Promise<Response> => {
      const query = readQuery?.(context);
      const body = await readBody?.(context);
      const params = context.req.param() as Record<string, string>;
      const owner = context.get("owner");
      const asked = { parts: given, context, owner, params, query, body };
      const inChange: InChange = (work) => recordChange(route, asked, work);
      const handle = (parts: ApiParts) => route.handle({ ...asked, parts, inChange });
      const answer = await (isRecorded(route) ? inChange(handle) : handle(given));
      const prepared = prepareAnswer(context, route, answer);
      return toResponse(context, prepared, { keepsSource, publicUrl: parts.publicUrl });
    };
    const respondWhere = (context: Context<ApiEnv>, given: ApiParts): Promise<Response> => {
      const { entity, method } = route;
      if (!entity || method === "GET" || !hasCondition(context)) return respond(context, given);
      const params = context.req.param() as Record<string, string>;
      const lockFirst = (inside: ApiParts, tx: Transaction) =>
        lockChanged(route, { parts: inside, owner: context.get("owner"), params, query: undefined }, tx);
      const respondInside = (inside: ApiParts) => respond(context, inside);
      return answerUnderConditions(context, given, entity, respondInside, lockFirst);
    };
    const isKept = keepsAnswers(route);
    if (isKept && access === null) throw new Error(`${route.operationId} has no owner to keep answers for`);
    app.on(route.method, route.path, (context) => {
      if (access !== null && access !== "any") demandAccess(context, route, access);
      if (takesConditions(route)) refuseConditions(context, route);
      const key = isKept ? readIdempotencyKey(context) : undefined;
      if (key === undefined) return respondWhere(context, parts);
      return answerOnce(context, parts, key, (given) => respondWhere(context, given));
    });
  }
}

const OF_FUNCTION = "/v1/functions/:name";

/** The scope; and of a key that is for some functions, that the path names one of them. */
function demandAccess(context: Context<ApiEnv>, { path }: Route, scope: Scope): void {
  const owner = context.get("owner");
  demandScope(owner, scope);
  const isOfFunction = path === OF_FUNCTION || path.startsWith(`${OF_FUNCTION}/`);
  demandFunction(owner, isOfFunction ? context.req.param("name") : undefined);
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

const CALLER_HEADERS = "Authorization, Bellhop-Key, Bellhop-Namespace";

/** As the request's conditions and preferences have it. */
function prepareAnswer(context: Context, route: Route, answer: Answered): Answered {
  if (answer instanceof Response || "error" in answer) return answer;
  const { body, isAsked = false } = answer;
  if (!(body instanceof LazyBody)) return prepareShown(context, route, answer);
  // What has an entity is made for its tag all the same.
  const mayBeLeftOut = route.mayBeMinimal && !route.entity && !isAsked;
  if (mayBeLeftOut && prefersMinimal(context)) return toMinimal(answer);
  return prepareShown(context, route, { ...answer, body: body.make() });
}

function prepareShown(
  context: Context,
  { entity, method, mayBeMinimal }: Route,
  answer: AnswerFacts,
): Answered {
  if (answer.body === undefined || answer.isAsked) return answer;
  const tag = entity && tagOf(entity, answer.body as object);
  const tagged = tag === undefined ? answer : { ...answer, headers: { ...answer.headers, etag: tag } };
  const isRead = method === "GET";
  const [wanted, known] = isRead ? [context.req.header("if-match"), context.req.header("if-none-match")] : [];
  // The same address shows another thing to another key, and a browser keeps what has a tag.
  if (tag !== undefined && isRead) context.header("vary", CALLER_HEADERS, { append: true });
  if (tag !== undefined && wanted !== undefined && !hasSame(wanted, tag))
    return { error: preconditionFailed() };
  if (tag !== undefined && known !== undefined && hasTag(known, tag))
    return { status: 304, headers: { etag: tag } };
  return mayBeMinimal && prefersMinimal(context) ? toMinimal(tagged) : tagged;
}

/** A 201 without a body is still one; a 200 without one is a 204. */
function toMinimal({ status, headers }: AnswerFacts): AnswerFacts {
  return { status: status === 200 ? 204 : status, headers: { ...headers, ...MINIMAL_APPLIED } };
}

type Answered = Awaited<ReturnType<Route["handle"]>>;

interface Written {
  keepsSource: boolean;
  publicUrl: string | undefined;
}

function toResponse(context: Context, answer: Answered, { keepsSource, publicUrl }: Written): Response {
  if (answer instanceof Response) return answer;
  if ("error" in answer) return answerProblem(context, answer.error);
  const { body, content, contentType } = answer;
  const headers = answer.headers && withAddresses(answer.headers, publicUrl);
  const status = answer.status as ContentfulStatusCode;
  if (body !== undefined && !keepsSource) return context.json(body, status, headers);
  if (body !== undefined)
    return context.body(writeJson(body), status, { ...headers, "content-type": "application/json" });
  if (contentType === undefined) return context.body(null, status, headers);
  return context.newResponse(content ?? null, status, { ...headers, "content-type": contentType });
}

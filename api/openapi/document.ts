/** The OpenAPI 3.1 document of the API, made of the routes that it serves: docs/decisions/0019-openapi.md. */
import { STATUS_CODES } from "node:http";
import { z } from "zod";
import {
  createDocument,
  type ZodOpenApiContentObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiPathsObject,
  type ZodOpenApiRequestBodyObject,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from "zod-openapi";
import { PROBLEM_CODES, type ProblemCode, problemOutput } from "../../core/contracts/problem.ts";
import { PROBLEM_CONTENT_TYPE } from "../../core/problem.ts";
import packageJson from "../../package.json" with { type: "json" };
import { NAMESPACE_HEADER } from "../auth/act-in.ts";
import { type AnswerSpec, answersOf, type Feature, isIdempotent, type Route } from "../http/route.ts";
import { errorsOf } from "./errors-of.ts";
import { exampleOf } from "./example-of.ts";
import {
  ANSWER_HEADERS,
  CONDITIONS_OF_CHANGES,
  CONDITIONS_OF_READS,
  IDEMPOTENCY_KEY,
  NAMESPACE,
  PREFER_MINIMAL,
} from "./headers.ts";

const DESCRIPTION = `Tasks on time, and functions in a sandbox.

Every error is a problem document (RFC 9457) with a stable \`code\`. Unknown fields and parameters are refused by name.
Answers may get further fields with a release.`;

const METHODS_OF_ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

export type ApiDocument = ReturnType<typeof createDocument>;

/** @param publicUrl where others reach the API; left out: where they read the document */
export function describeApi(features: readonly Feature[], publicUrl?: string): ApiDocument {
  return createDocument(
    {
      openapi: "3.1.1",
      info: {
        title: "Bellhop",
        version: packageJson.version,
        description: DESCRIPTION,
        license: { name: packageJson.license, identifier: packageJson.license },
      },
      servers: [
        publicUrl === undefined
          ? { url: "/", description: "The address of this document." }
          : { url: publicUrl, description: "The address of the API." },
      ],
      tags: features.map(({ tag, description }) => ({ name: tag, description })),
      paths: describePaths(features),
      components: {
        securitySchemes: {
          bearer: {
            type: "http",
            scheme: "bearer",
            description:
              "A key, as `Authorization: Bearer <key>`, or a token (JWT) of the installation's OpenID provider, if it has one.",
          },
          bellhopKey: {
            ...{ type: "apiKey", in: "header", name: "Bellhop-Key" },
            description: "The key or token in a separate header, which takes precedence.",
          },
        },
      },
    },
    {
      allowEmptySchema: { custom: true },
      // What is refused on its way in may come on its way out: answers get further fields.
      override({ jsonSchema, zodSchema, io }) {
        if (io === "output" && jsonSchema.additionalProperties === false)
          delete jsonSchema.additionalProperties;
        if (zodSchema instanceof z.ZodDiscriminatedUnion && !isEachNamed(jsonSchema, zodSchema.def))
          allowAny(jsonSchema);
      },
    },
  );
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Whether the options of a union tell themselves apart: each says what it is, none by saying nothing. */
const isEachNamed = ({ oneOf = [] }: JsonSchema, { discriminator }: { discriminator: string }) =>
  oneOf.every(({ required, $ref }) => $ref !== undefined || required?.includes(discriminator));

function allowAny(jsonSchema: JsonSchema): void {
  jsonSchema.anyOf = jsonSchema.oneOf!;
  delete jsonSchema.oneOf;
}

function describePaths(features: readonly Feature[]): ZodOpenApiPathsObject {
  const describeErrors = createErrorDescriber();
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const { tag, routes } of features)
    for (const route of routes) {
      const template = templateOf(route);
      const operations = paths[template] ?? {};
      paths[template] = operations;
      const errors = describeErrors(route);
      for (const [method, operationId] of operationsOf(route))
        operations[method.toLowerCase()] = describeOperation(route, { operationId, tag, errors });
    }
  return paths;
}

/** Method → id. A route that takes any method is one operation for each of the usual ones. */
function operationsOf({ method, operationId }: Route): (readonly [method: string, operationId: string])[] {
  if (method !== "ALL") return [[method, operationId]];
  return METHODS_OF_ALL.map((each) => [each, `${operationId}By${each}`]);
}

/** As the document writes a route's path: `/v1/tasks/{id}`. */
export function templateOf({ path, template }: Route): string {
  return template ?? path.replaceAll(/:(\w+)/g, "{$1}");
}

function describeOperation(
  route: Route,
  { operationId, tag, errors }: { operationId: string; tag: string; errors: ZodOpenApiResponsesObject },
): ZodOpenApiOperationObject {
  const { summary, description, params = {}, query, headers = {} } = route;
  const taken = {
    ...(route.access === null ? {} : { [NAMESPACE_HEADER]: NAMESPACE }),
    ...(route.entity ? (route.method === "GET" ? CONDITIONS_OF_READS : CONDITIONS_OF_CHANGES) : {}),
    ...(route.mayBeMinimal ? { prefer: PREFER_MINIMAL } : {}),
    ...headers,
    ...(isIdempotent(route) ? { "idempotency-key": IDEMPOTENCY_KEY } : {}),
  };
  const optional = Object.entries(taken).map(([name, schema]) => [name, schema.optional()]);
  return {
    operationId,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    security: describeSecurity(route),
    requestParams: {
      path: z.object(params),
      ...(query ? { query } : {}),
      header: z.object(Object.fromEntries(optional)),
    },
    ...describeBody(route),
    responses: { ...describeAnswers(route), ...errors },
  };
}

/** A function's URL may need a key: it is its function that says so. */
function describeSecurity({ access, method }: Route): Record<string, string[]>[] {
  if (access === null && method !== "ALL") return [];
  const scopes = access === "any" ? [] : [access ?? "invoke"];
  return [...(access === null ? [{}] : []), { bearer: scopes }, { bellhopKey: scopes }];
}

function describeBody({ body, ownBody }: Route): { requestBody?: ZodOpenApiRequestBodyObject } {
  const content = body ? { "application/json": body.schema } : ownBody?.content;
  if (!content) return {};
  return { requestBody: { required: !(body ?? ownBody)?.isOptional, content: describeContent(content) } };
}

function describeContent(content: Record<string, z.ZodType>): ZodOpenApiContentObject {
  const entries = Object.entries(content).map(([type, schema]) => {
    const example = exampleOf(schema);
    return [type, { schema, ...(example === undefined ? {} : { example }) }];
  });
  return Object.fromEntries(entries);
}

function describeAnswers(route: Route): ZodOpenApiResponsesObject {
  const answers = Object.entries(answersOf(route)).map(([status, answer]) => [
    status,
    describeAnswer(answer, isIdempotent(route)),
  ]);
  return Object.fromEntries(answers);
}

function describeAnswer({ is, schema, content, headers = [] }: AnswerSpec, mayBeReplay: boolean) {
  const all = { ...(schema ? { "application/json": schema } : {}), ...content };
  const names = [...headers, ...(mayBeReplay ? (["idempotency-replayed"] as const) : [])];
  return {
    description: is,
    ...(names.length === 0
      ? {}
      : { headers: z.object(Object.fromEntries(names.map((name) => [name, ANSWER_HEADERS[name]]))) }),
    ...(Object.keys(all).length === 0 ? {} : { content: describeContent(all) }),
  };
}

/** Makes the answers of a route's errors; those that are the same stand in the document once. */
function createErrorDescriber(): (route: Route) => ZodOpenApiResponsesObject {
  const known = new Map<string, ZodOpenApiResponseObject>();
  return (route) => {
    const answers = Object.entries(errorsOf(route)).map(([status, set]) => {
      const codes = [...set].sort();
      const id = [status, ...codes.map((code) => (code === "*" ? "any" : code))].join(".");
      const answer = known.get(id) ?? describeError(id, Number(status), codes);
      known.set(id, answer);
      return [status, answer] as const;
    });
    return Object.fromEntries(answers);
  };
}

function describeError(
  id: string,
  status: number,
  codes: readonly (ProblemCode | "*")[],
): ZodOpenApiResponseObject {
  const lines = codes.map((code) =>
    code === "*" ? "- any other code of a run" : `- \`${code}\`: ${PROBLEM_CODES[code]}`,
  );
  return { id, description: lines.join("\n"), content: problemContent(status, codes) };
}

function problemContent(status: number, codes: readonly string[]): ZodOpenApiContentObject {
  const known = codes.filter((code) => code !== "*");
  const isOpen = known.length < codes.length;
  const [code = "function_error"] = known;
  const schema = isOpen ? problemOutput : problemOutput.and(z.object({ code: z.enum(known) }));
  const example = {
    ...{ type: "about:blank", title: STATUS_CODES[status] ?? "Error", status },
    ...{ detail: isOpen ? "Error: no" : PROBLEM_CODES[code as ProblemCode], code },
  };
  return { [PROBLEM_CONTENT_TYPE]: { schema, example } };
}

/**
 * A route and what is said of it, in one place: who may call it, what it takes, what it answers. `mountRoutes` serves
 * it, api/openapi/ describes it; what its handler answers is typed by its schemas.
 */
import type { Context } from "hono";
import type { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import type { ProblemCode } from "../../core/contracts/problem.ts";
import type { FunctionLimitCaps } from "../../core/domain/function-limits.ts";
import type { BellhopError } from "../../core/errors.ts";
import type { ScheduleTime } from "../../core/schedule-time.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { Access } from "../auth/scopes.ts";
import type { ApiEnv, ApiParts } from "../environment.ts";
import type { Entity } from "./entity.ts";

/** Routes of one subject. */
export interface Feature {
  tag: string;
  description: string;
  routes: Route[];
  /** Work that is done when the API starts, before anybody waits for it. */
  prepare?(): void;
}

/** What schemas depend on. */
export interface RouteSettings {
  clock: Clock;
  /** What schedules see. */
  time: ScheduleTime;
  functionCaps: FunctionLimitCaps;
  /** Where others reach the API; undefined: nobody has said. */
  publicUrl?: string | undefined;
}

export type RouteMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "ALL";

/** Headers of answers that callers may read; what they say is in api/openapi/headers.ts. */
export type AnswerHeader =
  | "bellhop-deduplicated"
  | "bellhop-run-id"
  | "etag"
  | "last-event-id"
  | "link"
  | "location"
  | "preference-applied";

/** What a status comes with: JSON by its schema, content of another type, or nothing. */
export interface AnswerSpec {
  /** What it means. */
  is: string;
  schema?: z.ZodType;
  /** Media type → what it holds, or one line or event of it. With ANY_TYPE the handler makes the response itself. */
  content?: Record<string, z.ZodType>;
  headers?: readonly AnswerHeader[];
}
export type AnswerSpecs = Record<number, AnswerSpec>;

export const ANY_TYPE = "*/*";

type HeadersOf<Spec extends AnswerSpec> = Spec extends { headers: readonly (infer Name extends string)[] }
  ? { headers?: { [Header in Name]?: string } }
  : { headers?: undefined };

/** A body that may be left out, and is made where it is not. Not of an audited change: the log would not see it. */
export class LazyBody<Body> {
  readonly make: () => Body;

  constructor(make: () => Body) {
    this.make = make;
  }
}

type JsonAnswer<Status, Spec> = Spec extends { schema: infer Schema extends z.ZodType }
  ? { status: Status; body: z.input<Schema> | LazyBody<z.input<Schema>>; isAsked?: boolean }
  : never;

type ContentAnswer<Status, Spec> = Spec extends { content: infer Content }
  ? {
      status: Status;
      contentType: keyof Content & string;
      content: string | ReadableStream<Uint8Array> | null;
    }
  : never;

type OwnResponse<Spec> = Spec extends { content: { [ANY_TYPE]: unknown } } ? Response : never;

type EmptyAnswer<Status, Spec> = Spec extends { schema: unknown } | { content: unknown }
  ? never
  : { status: Status };

type AnswerOf<Status, Spec extends AnswerSpec> = (
  | JsonAnswer<Status, Spec>
  | ContentAnswer<Status, Spec>
  | EmptyAnswer<Status, Spec>
) &
  HeadersOf<Spec>;

/** What a handler may answer: as its route says, or an error that it does not throw. */
export type Answer<Answers extends AnswerSpecs> =
  | {
      [Status in keyof Answers & number]: AnswerOf<Status, Answers[Status]> | OwnResponse<Answers[Status]>;
    }[keyof Answers & number]
  | { error: BellhopError };

/** The same, its types forgotten. */
export interface AnswerFacts {
  status: number;
  body?: unknown;
  /** The body is what was asked for, and not just what a change came to. */
  isAsked?: boolean;
  content?: string | ReadableStream<Uint8Array> | null;
  contentType?: string;
  headers?: Record<string, string>;
}

/** The names in a path: `/v1/tasks/:id` has `id`. */
export type ParamNames<Path extends string> = Path extends `${infer Head}/${infer Rest}`
  ? ParamNames<Head> | ParamNames<Rest>
  : Path extends `:${infer Name}`
    ? Name
    : never;

export interface RouteRequest<Path extends string, Needed, Query, Body> {
  parts: ApiParts;
  context: Context<ApiEnv>;
  /** Whose key it is. */
  owner: Needed extends Access ? KeyOwner : undefined;
  params: Record<ParamNames<Path>, string>;
  query: Query;
  body: Body;
  /** Where `audit` is by the handler: does the work in the transaction that writes the log's entry. */
  inChange<Answered>(work: (parts: ApiParts) => Promise<Answered>): Promise<Answered>;
}

interface BodySpec<Schema extends z.ZodType = z.ZodType> {
  schema: Schema;
  /** An absent one is `{}`. */
  isOptional?: boolean;
}

/** A body that the handler reads by itself. */
interface OwnBodySpec {
  /** Media type → schema. */
  content: Record<string, z.ZodType>;
  isOptional?: boolean;
}

/** Why a POST is not answered from what was kept. */
export interface OwnIdempotency {
  /** Who finds what an earlier request with the same `Idempotency-Key` made; null: the header is not taken. */
  by: "handler" | null;
  why: string;
}

/** What it may answer, with what follows from its preferences. */
export function answersOf(route: Route): AnswerSpecs {
  const { answers, entity, mayBeMinimal = false } = route;
  const more: AnswerHeader[] = [
    ...(entity ? (["etag"] as const) : []),
    ...(mayBeMinimal ? (["preference-applied"] as const) : []),
  ];
  if (more.length === 0) return answers;
  const shown = Object.entries(answers).map(([status, answer]) => [
    status,
    answer.schema ? { ...answer, headers: [...(answer.headers ?? []), ...more] } : answer,
  ]);
  const all: AnswerSpecs = Object.fromEntries(shown);
  if (mayBeMinimal && all[200]) all[204] = { is: MINIMAL, headers: all[200].headers! };
  if (entity && route.method === "GET") all[304] = { is: NOT_MODIFIED, headers: ["etag"] };
  return all;
}

const NOT_MODIFIED = "Your version is current.";
const MINIMAL = "Done; the body is omitted because of `Prefer: return=minimal`.";

/** What an audited route is asked, as far as the log goes by it. */
export interface AuditedRequest {
  parts: ApiParts;
  owner: KeyOwner;
  params: Readonly<Record<string, string | undefined>>;
  query: unknown;
}

/** How a change is told of in the audit log (api/audit/record-change.ts). */
export interface AuditSpec {
  /** What is changed, by the names of its path; those that the path lacks are fields of the answer: `keys/:id`. */
  resource: string;
  /** The change is of the installation: operators alone read of it. */
  isOfInstallation?: boolean;
  /** The parameters by which `resource` and `read` know it, where the path has others. */
  identify?(request: AuditedRequest): Promise<Record<string, string | undefined>>;
  /** It as it stands, without secrets; undefined: it is not there. Asked before the change and after it. */
  read?(request: AuditedRequest): Promise<object | undefined>;
  /** Where nothing is read: what the answer tells of the change. */
  summarize?(body: never): object;
  /** False: nothing was changed, as by a dry run. `body` is the answer's. */
  isChange?(request: AuditedRequest, body: unknown): boolean;
  /** `handler`: it asks for the transaction by `inChange`, since what comes before takes long. */
  by?: "handler";
}

/** Whether `If-Match` and `If-None-Match` are the API's to look at: those of a call are its function's. */
export const takesConditions = ({ takesAnyQuery = false }: Route): boolean => !takesAnyQuery;

/** Whether it takes `Idempotency-Key`. */
export const isIdempotent = ({ method, idempotency }: Route): boolean =>
  method === "POST" && idempotency?.by !== null;

/** Whether the answer to a request with a key is kept. */
export const keepsAnswers = ({ method, idempotency }: Route): boolean => method === "POST" && !idempotency;

export interface RouteFacts<Path extends string = string, Needed extends Access | null = Access | null> {
  method: RouteMethod;
  /** As Hono takes it. */
  path: Path;
  /** How the document writes it, where `:name` does not say it. */
  template?: string;
  operationId: string;
  /** One line. */
  summary: string;
  description?: string;
  /** What the key must be allowed; `any`: any key will do; null: it needs none. */
  access: Needed;
  /** Looked at by the handler alone: what cannot be is not there. */
  params?: Record<ParamNames<Path>, z.ZodType> | Record<string, z.ZodType>;
  /** It asks no database, and never fails. */
  isUnconditional?: boolean;
  /** Its query and its conditions are its caller's own. */
  takesAnyQuery?: boolean;
  /** Request headers, described only. */
  headers?: Record<string, z.ZodType>;
  /** Of a POST; left out, its answer is kept with what it did (answer-once.ts). */
  idempotency?: OwnIdempotency;
  /** Of what changes something: how that is audited, or why it is not. */
  audit?: AuditSpec | { not: string };
  answers: AnswerSpecs;
  /** What it reads or changes, where that has an `ETag`. */
  entity?: Entity;
  /** With `Prefer: return=minimal` what was made or changed is not shown: a 200 becomes a 204, a 201 has no body. */
  mayBeMinimal?: boolean;
  /** JSON of an author's own stands in its answers as it was written (core/json-source.ts). */
  keepsSource?: boolean;
  /** Status → codes, besides those that every such route may give (`errors-of.ts`). `*`: also any code of a run. */
  errors?: Record<number, readonly (ProblemCode | "*")[]>;
}

/** A route whose types are forgotten, as it is served and described. */
export interface Route extends RouteFacts {
  query?: z.ZodObject;
  body?: BodySpec;
  ownBody?: OwnBodySpec;
  handle(request: {
    parts: ApiParts;
    context: Context<ApiEnv>;
    owner: KeyOwner | undefined;
    params: Record<string, string>;
    query: unknown;
    body: unknown;
    inChange<Answered>(work: (parts: ApiParts) => Promise<Answered>): Promise<Answered>;
  }): Promise<AnswerFacts | { error: BellhopError } | Response>;
}

export interface RouteDefinition<
  Path extends string,
  Needed extends Access | null,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Answers extends AnswerSpecs,
> extends RouteFacts<Path, Needed> {
  /** Without one every parameter is refused. */
  query?: Query;
  /** JSON; read and validated before the handler. Without one a body with fields is refused. */
  body?: BodySpec<Body>;
  ownBody?: OwnBodySpec;
  answers: Answers;
  handle(
    request: RouteRequest<Path, Needed, z.output<Query>, z.output<Body>>,
  ): Promise<Answer<NoInfer<Answers>>>;
}

/** The compiler holds the handler to what the route says that it answers. */
export function defineRoute<
  const Path extends string,
  Needed extends Access | null,
  const Answers extends AnswerSpecs,
  Query extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Body extends z.ZodType = z.ZodUndefined,
>(definition: RouteDefinition<Path, Needed, Query, Body, Answers>): Route {
  return definition as unknown as Route;
}

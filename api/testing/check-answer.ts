/** Holds answers to what their route says of them, so that the document cannot lie. */
import assert from "node:assert/strict";
import { type Problem, problemOutput } from "../../core/contracts/problem.ts";
import { PROBLEM_CONTENT_TYPE } from "../../core/problem.ts";
import { toPattern } from "../http/no-route.ts";
import { ANY_TYPE, answersOf, type Feature, isIdempotent, type Route } from "../http/route.ts";
import { errorsOf } from "../openapi/errors-of.ts";
import { ANSWER_HEADERS } from "../openapi/headers.ts";

export interface CheckedAnswer {
  status: number;
  headers: Headers;
  /** Parsed where it is JSON. */
  body: unknown;
}

export type AnswerCheck = (method: string, path: string, answer: CheckedAnswer) => void;

export function createAnswerCheck(features: readonly Feature[]): AnswerCheck {
  const known = features
    .flatMap(({ routes }) => routes)
    .map((route) => ({ route, pattern: toPattern(route.path) }));
  return (method, url, answer) => {
    // It has no body to look at; as a GET it is looked at.
    if (method === "HEAD") return;
    const path = url.split("?")[0]!.replace(/(?<=.)\/$/, "");
    const found = known.find(
      ({ route, pattern }) => (route.method === method || route.method === "ALL") && pattern.test(path),
    );
    if (!found) return checkUnrouted(method, path, answer);
    // What a function answers is its own.
    if (ANY_TYPE in (found.route.answers[200]?.content ?? {})) return;
    if (Object.hasOwn(answersOf(found.route), answer.status)) checkAnswer(found.route, answer);
    else checkProblem(found.route, answer);
  };
}

function checkUnrouted(method: string, path: string, { status, body }: CheckedAnswer): void {
  const where = `${method} ${path}, which no route takes,`;
  assert.ok([204, 401, 404, 405].includes(status), `${where} is answered ${status}`);
  if (status >= 400) assertIsShown(problemOutput, body, `the answer to ${where}`);
}

function checkAnswer(route: Route, { status, headers, body }: CheckedAnswer): void {
  const { schema, content, headers: said = [] } = answersOf(route)[status]!;
  const what = `${status} of ${route.operationId}`;
  for (const name of Object.keys(ANSWER_HEADERS))
    if (headers.has(name) && name !== "idempotency-replayed")
      assert.ok(
        (said as readonly string[]).includes(name),
        `${what} does not say that it has the header ${name}`,
      );
  if (headers.has("idempotency-replayed")) assert.ok(isIdempotent(route), `${what} is no replay`);
  const type = headers.get("content-type");
  const isJson = schema !== undefined && type === "application/json";
  const isOmitted = route.mayBeMinimal && headers.get("preference-applied") === "return=minimal";
  if ((!schema && !content) || isOmitted) {
    assert.equal(body, undefined, `${what} has a body`);
    return;
  }
  const shown = isJson ? schema : content?.[type ?? ""];
  assert.ok(shown, `${what} does not say that it has the type ${type}`);
  if (type === "application/json") assertIsShown(shown, body, what);
}

function checkProblem(route: Route, { status, headers, body }: CheckedAnswer): void {
  const { code } = (body ?? {}) as Partial<Problem>;
  const what = `${route.operationId} does not say that it answers ${status} ${code}`;
  assert.equal(headers.get("content-type"), PROBLEM_CONTENT_TYPE, what);
  const codes = errorsOf(route)[status] as ReadonlySet<string> | undefined;
  assert.ok(codes?.has(code ?? "") || codes?.has("*"), what);
  assertIsShown(problemOutput, body, `${status} of ${route.operationId}`);
}

type Checking = typeof problemOutput | NonNullable<Route["answers"][number]["schema"]>;

/** That it is what the schema says, and nothing more. */
function assertIsShown(schema: Checking, body: unknown, what: string): void {
  const parsed = schema.safeParse(body);
  assert.ok(parsed.success, `${what} is not as its schema says: ${parsed.error?.message}`);
  assert.deepEqual(parsed.data, body, `${what} holds what its schema does not say`);
}

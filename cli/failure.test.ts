import assert from "node:assert/strict";
import { test } from "node:test";
import { EXIT } from "./exit-codes.ts";
import { fromProblem, unreachable } from "./failure.ts";

const URL = "http://127.0.0.1:3000";
const failed = (code: string) =>
  new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });

test("an API that is not there is told from one that has not answered yet", () => {
  const refused = unreachable(URL, failed("ECONNREFUSED"));
  assert.equal(refused.message, `Nobody answers at ${URL} (ECONNREFUSED).`);
  const silent = unreachable(URL, failed("UND_ERR_HEADERS_TIMEOUT"));
  assert.match(silent.message, /has not answered for five minutes.*may still be under way/);
  assert.equal(silent.code, "no_answer");
  assert.equal(silent.exitCode, EXIT.unreachable);
});

test("a refusal says what to do next, and where more is told of it", () => {
  const problem = { type: "about:blank" as const, title: "Gone", status: 410, detail: "Gone.", code: "gone" };
  const response = new Response(null, { headers: { link: '</docs/errors#gone>; rel="help"' } });
  Object.defineProperty(response, "url", { value: `${URL}/v1/tasks/1` });
  const { message, hint, help } = fromProblem({ ...problem, code: "run_not_open" }, response);
  assert.equal(message, "Gone.");
  assert.match(hint!, /bellhop runs get/);
  assert.equal(help, `${URL}/docs/errors#gone`);
  assert.equal(fromProblem(problem, new Response()).help, undefined);
});

/** Chapter "Functions": deploying, revisions, settings, removal. Its limits are in function-limits.ts, calling in calls.ts. */
import assert from "node:assert/strict";
import type { Answer, TestCaller } from "../../../api/testing/open-api.ts";
import { assertProblem } from "../../../api/testing/problem.ts";
import { MAX_ENV_BYTES, MAX_ENV_NAMES } from "../../../core/contracts/function.ts";
import { MAX_SECRET_VALUE_BYTES, MIN_SECRET_CHARS } from "../../../core/contracts/secret.ts";
import { FIGURED_RUNS } from "../../../core/store/functions/figures.ts";
import { MAX_TAGS } from "../../../core/store/functions/tags.ts";
import { MAX_SECRET_BYTES, MAX_SECRETS } from "../../../core/store/secrets.ts";
import { COMPILER_LIMITS, COMPILER_LIMITS_WITH_PACKAGES } from "../../../functions/build/compiler-process.ts";
import { held, makeFunction, n, type Statement, statement } from "./statement.ts";

const { processorMs, memoryBytes, wallMs } = COMPILER_LIMITS;
const withPackages = COMPILER_LIMITS_WITH_PACKAGES;
const COMPILER = "functions/build/compiler.test.ts";
const PACKAGES = "api/functions/packages.test.ts";
const REVISIONS = "api/functions/revisions.test.ts";
const REMOVAL = "api/functions/remove.test.ts";
const SECRETS = "api/secrets/secrets.test.ts";

/** As many revisions, each of its own source. */
async function makeRevisions(tenant: TestCaller, count: number): Promise<void> {
  for (let at = 1; at <= count; at += 1)
    await makeFunction(tenant, { source: `export default () => ${at};` });
}

/** 1% to each of the revisions but the first, which gets the rest to `sum`. */
const split = (count: number, sum = 100) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [at + 1, at === 0 ? sum - count + 1 : 1]));

const figures: Statement[] = [
  held(`covers the newest ${n(FIGURED_RUNS)} ended runs of the function`, [
    "api/functions/figures.test.ts",
    "GET …/figures tells what the last runs took",
  ]),
  held("the 95th percentile", [
    "api/functions/figures.test.ts",
    "GET …/figures tells what the last runs took",
  ]),
];

const deploying: Statement[] = [
  held("A source that does not build is a 422 build_failed with file, line and column in errors", [
    "api/functions/routes.test.ts",
    "a source that does not build says where: field, file, line and column",
  ]),
  held(
    `so is one that takes the compiler more than ${processorMs / 1_000} s of processor time (${withPackages.processorMs / 1_000} s with packages that the API fetches) or ${memoryBytes / 1_000_000} MB (with packages ${withPackages.bothBytes / 1_000_000} MB, including the process that unpacks them)`,
    [COMPILER, "is exhausted by a source that takes more processor time, or memory, than any may"],
    ["functions/build/build-revision.test.ts", "is given up when it grows, and the next build succeeds"],
  ),
  held(
    `too busy to build it within ${wallMs / 1_000} s (${withPackages.wallMs / 1_000} s with packages), the response is a 503 build_interrupted with Retry-After`,
    [COMPILER, "is interrupted where a build waits longer than anybody would"],
    [
      "api/functions/routes.test.ts",
      "an upload whose compiler was interrupted is a 503 that says when to come again",
    ],
  ),
  held(
    "without a registry such an upload is a 422 build_failed, and if the registry does not respond it is a 503 registry_unavailable with Retry-After",
    [PACKAGES, "are refused with what to do where no registry is named, and change nothing"],
    [PACKAGES, "say whose fault it was where a package cannot be had"],
  ),
  held("settings again is the same revision (200)", [
    "api/functions/routes.test.ts",
    "the same upload again is the revision that is there: 200, and nothing new",
  ]),
];

const revisions: Statement[] = [
  held("by default from the previous one", [
    REVISIONS,
    "what changed between two revisions: files with both hashes",
  ]),
  statement(
    "consists of whole percentages of at most ten revisions that add up to 100",
    async ({ tenant }) => {
      await makeRevisions(tenant, 11);
      const put = (shares: Record<string, number>) =>
        tenant.call("PUT", "/v1/functions/greet/traffic", { body: shares });
      for (const shares of [split(11), split(2, 99), split(2, 101), { 1: 50.5, 2: 49.5 }])
        assertProblem(await put(shares), 422, "invalid_input");
      const { status, body } = await put(split(10));
      assert.deepEqual([status, Object.keys(body.traffic).length], [200, 10]);
    },
  ),
  held("(an id or a number; a 422 if the function does not have it)", [
    REVISIONS,
    "a rollback takes a revision, by its number or id, and refuses what it does not know",
  ]),
  held("409 nothing_to_roll_back if there was no change", [
    REVISIONS,
    "a rollback brings the traffic before the last change back; a second one undoes it",
  ]),
  statement(`A function has at most ${MAX_TAGS}. A call by a tag`, async ({ tenant }) => {
    await makeFunction(tenant);
    const put = (at: number) =>
      tenant.call("PUT", `/v1/functions/greet/tags/t${at}`, { body: { revision: 1 } });
    for (let at = 1; at <= MAX_TAGS; at += 1) assert.equal((await put(at)).status, 200);
    assertProblem(await put(MAX_TAGS + 1), 422, "too_many_tags");
    assert.equal((await put(1)).status, 200);
  }),
  held(
    "A call by a tag that is removed before it starts fails as function_not_found",
    ["api/tasks/target.test.ts", "a tag is looked up when a run starts; one that is gone reaches nothing"],
    ["runtime/runners/function.test.ts", "fails a run without a revision, for good"],
  ),
];

const settings: Statement[] = [
  held("A change takes effect within a second", [
    "test/system/secrets.test.ts",
    "a change of a secret or a setting soon holds, and what is removed is gone",
  ]),
  statement(`at most ${MAX_ENV_NAMES} names and ${MAX_ENV_BYTES / 1_024} KB`, async ({ tenant }) => {
    const put = (env: Record<string, string>) =>
      tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => 1;", env } });
    const named = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`N${at}`, "x"]));
    const sized = (bytes: number) => ({ A: "x".repeat(bytes - JSON.stringify({ A: "" }).length) });
    for (const env of [named(MAX_ENV_NAMES + 1), sized(MAX_ENV_BYTES + 1)])
      assertProblem(await put(env), 422, "invalid_input", ["env"]);
    for (const env of [named(MAX_ENV_NAMES), sized(MAX_ENV_BYTES)]) {
      const { status, body } = await put(env);
      assert.ok(status < 300);
      assert.deepEqual(body.env, env);
    }
  }),
  statement(
    `A secret is text of at least ${MIN_SECRET_CHARS} characters and at most ${n(MAX_SECRET_VALUE_BYTES)} bytes`,
    async ({ tenant }) => {
      const put = (value: string): Promise<Answer> =>
        tenant.call("PUT", "/v1/secrets/TOKEN", { body: { value } });
      const beyond = ["x".repeat(MIN_SECRET_CHARS - 1), "x".repeat(MAX_SECRET_VALUE_BYTES + 1)];
      for (const value of [...beyond, "é".repeat(MAX_SECRET_VALUE_BYTES / 2 + 1)])
        assertProblem(await put(value), 422, "invalid_input", ["value"]);
      for (const length of [MIN_SECRET_CHARS, MAX_SECRET_VALUE_BYTES])
        assert.ok((await put("x".repeat(length))).status < 300);
    },
  ),
  held(
    `at most ${MAX_SECRETS} each, of ${n(MAX_SECRET_BYTES)} bytes in total (409 too_many_secrets)`,
    [SECRETS, "a namespace has a hundred"],
    [SECRETS, "all secrets of one place take so many bytes together"],
  ),
  held("PUT returns 201 or 200 with {name, createdAt, updatedAt}, GET lists names, DELETE is a 204", [
    SECRETS,
    "secrets are written, named and removed, for a function and for the namespace, and never shown",
  ]),
  held("it is a 503 secrets_unavailable", [
    "api/secrets/no-key.test.ts",
    "without a key no secret is taken, and the answer says which setting is missing",
  ]),
];

const removal: Statement[] = [
  held(
    "The name answers 404 and is free for another function",
    [REMOVAL, "a removed function is gone by its name; its runs, logs and revisions stay"],
    [REMOVAL, "a new upload of the name starts afresh"],
  ),
  held("queued runs and those waiting for a retry fail as function_not_found", [
    REMOVAL,
    "what was queued finds no revision, also where it names one or waits for a permit",
  ]),
  held("While active tasks call the function it is a 409 function_in_use that names them", [
    REMOVAL,
    "active tasks keep their function: 409 names them, nothing changes",
  ]),
  held("their runs fail as function_not_found until there is a function of that name again", [
    REMOVAL,
    "a paused task calls the new function of the name",
  ]),
];

export const FUNCTIONS: Statement[] = [...figures, ...deploying, ...revisions, ...settings, ...removal];

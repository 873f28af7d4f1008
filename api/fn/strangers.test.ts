/** What is not public looks to strangers like what is not there. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { sql } from "kysely";
import type { CallableFunction } from "../../core/store/functions/callable.ts";
import { newId } from "../../core/store/ids.ts";
import { createCallables } from "../calls/callables.ts";
import { type Answer, openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const SOURCE = { source: "export default { fetch: () => new Response('hello') };" };

let owner: TestCaller;
let foreigner: TestCaller;
/** One private function, and what is not there or not to be seen. */
let hidden: string[];

before(async () => {
  owner = await api.newTenant();
  foreigner = await api.newTenant();
  const namespace = await nameOf(owner);
  await owner.call("PUT", "/v1/functions/private", { body: { ...SOURCE, tag: "next" } });
  await owner.call("PUT", "/v1/functions/public", { body: { ...SOURCE, public: true } });
  hidden = [
    ...["private", "private@next", "private@none", "private/path?q=1"].map(
      (name) => `/fn/${namespace}/${name}`,
    ),
    ...["none", "none@next", "public@none"].map((name) => `/fn/${namespace}/${name}`),
    ...["/fn/nowhere/private", "/fn/nowhere/none", "/fn/Not/A-Name", "/fn/", "/fn/x"],
  ];
});

async function nameOf({ namespaceId }: TestCaller): Promise<string> {
  const { rows } = await sql<{ name: string }>`SELECT name FROM namespaces WHERE id = ${namespaceId}`.execute(
    api.db,
  );
  return rows[0]!.name;
}

/** What tells answers apart, with what the caller asked for itself taken out. */
function describeAnswer({ status, headers, body }: Answer, path: string): string {
  const asked = path.replace(/^\/fn\//, "").replace(/\?.*/, "");
  return JSON.stringify([status, [...headers], body]).replaceAll(
    JSON.stringify(JSON.stringify(asked)).slice(1, -1),
    "…",
  );
}

async function assertAllAlike(
  caller: TestCaller,
  method: string,
  headers: Record<string, string>,
  status: number,
) {
  const answers = new Set<string>();
  for (const path of hidden) {
    const answer = await caller.call(method, path, { headers });
    assert.equal(answer.status, status, `${method} ${path}`);
    answers.add(describeAnswer(answer, path));
  }
  assert.equal(answers.size, 1, [...answers].join("\n"));
}

for (const method of ["GET", "HEAD", "OPTIONS", "POST", "DELETE"]) {
  test(`${method} without a key, or with one that is none: the same 401 for all that is not public`, async () => {
    await assertAllAlike(api.anonymous, method, {}, 401);
    await assertAllAlike(api.anonymous, method, { authorization: "Bearer bh_unknown" }, 401);
    await assertAllAlike(api.anonymous, method, { "bellhop-key": "bh_unknown" }, 401);
    const revoked = await api.newCaller(owner.namespaceId, ["admin"], { revoked: true });
    await assertAllAlike(revoked, method, {}, 401);
  });

  test(`${method} with a key of another namespace: the same 404 for all of it`, async () => {
    await assertAllAlike(foreigner, method, {}, 404);
  });
}

test("its own namespace's key that may not call is not told whether a private function is there", async () => {
  const reader = await api.newCaller(owner.namespaceId, ["read"]);
  const namespace = await nameOf(owner);
  const answer = await reader.call("GET", `/fn/${namespace}/private`);
  assertProblem(answer, 403, "forbidden");
  assert.deepEqual((await reader.call("GET", `/fn/${namespace}/none`)).body, answer.body);
});

test("a stranger costs one look whether a function is private or not there, however warm it is", async () => {
  const looks: string[] = [];
  const fn = { id: newId(), isPublic: false } as CallableFunction;
  const callables = createCallables(
    {
      async one(_namespace, name, isStranger) {
        looks.push(`${name} ${isStranger}`);
        return name === "private" && !isStranger ? fn : undefined;
      },
      several: () => assert.fail("nothing is known that could be looked up beside it"),
    },
    { on: async () => {} },
  );
  assert.equal(await callables.find("n", "private"), fn);
  looks.length = 0;
  for (const name of ["private", "none", "private", "none"]) {
    assert.equal(callables.recallPublic("n", name), undefined);
    assert.equal(await callables.findPublic("n", name), undefined);
  }
  assert.deepEqual(looks, ["private true", "none true", "private true", "none true"]);
});

test("things of another namespace answer by their ids like things that never were", async () => {
  const task = { type: "http", url: "https://example.com/", schedule: { delay: "1h" } };
  const taskId = (await owner.call("POST", "/v1/tasks", { body: task })).body.id;
  const run = { headers: { prefer: "respond-async" } };
  const { runId } = (await owner.call("POST", "/v1/functions/private/invoke", run)).body;
  await owner.call("PUT", "/v1/functions/private/secrets/TOKEN", { body: { value: "hunter22" } });
  const hookId = (await owner.call("POST", "/v1/functions/private/hooks", {})).body.id;
  await foreigner.call("PUT", "/v1/functions/own", { body: SOURCE });
  const routes: [method: string, path: (ids: Record<string, string>) => string, body?: object][] = [
    ["GET", ({ task }) => `/v1/tasks/${task}`],
    ["PATCH", ({ task }) => `/v1/tasks/${task}`, { timeout: "1m" }],
    ["DELETE", ({ task }) => `/v1/tasks/${task}`],
    ...["cancel", "pause", "resume", "run"].map((verb): (typeof routes)[number] => [
      "POST",
      ({ task }) => `/v1/tasks/${task}/${verb}`,
    ]),
    ["GET", ({ task }) => `/v1/tasks/${task}/runs`],
    ["GET", ({ run }) => `/v1/runs/${run}`],
    ["HEAD", ({ run }) => `/v1/runs/${run}`],
    ["GET", ({ run }) => `/v1/runs/${run}/logs`],
    ["POST", ({ run }) => `/v1/runs/${run}/cancel`],
    ["POST", ({ run }) => `/v1/dead-letters/${run}/redrive`],
    ["DELETE", ({ run }) => `/v1/dead-letters/${run}`],
    ...["", "/logs", "/revisions", "/revisions/1", "/secrets", "/hooks"].map(
      (rest): (typeof routes)[number] => ["GET", ({ name }) => `/v1/functions/${name}${rest}`],
    ),
    ["PATCH", ({ name }) => `/v1/functions/${name}`, { env: { A: "1" } }],
    ["DELETE", ({ name }) => `/v1/functions/${name}`],
    ["POST", ({ name }) => `/v1/functions/${name}/invoke`, {}],
    ["POST", ({ name }) => `/v1/functions/${name}/rollback`],
    ["PUT", ({ name }) => `/v1/functions/${name}/traffic`, { 1: 100 }],
    ["PUT", ({ name }) => `/v1/functions/${name}/tags/next`, { revision: "1" }],
    ["PUT", ({ name }) => `/v1/functions/${name}/secrets/TOKEN`, { value: "hunter33" }],
    ["DELETE", ({ hook }) => `/v1/functions/own/hooks/${hook}`],
    ["GET", ({ run }) => `/v1/functions/own/logs?run=${run}`],
  ];
  const theirs = { task: taskId, run: runId, hook: hookId, name: "private" };
  const nobodys = { task: newId(), run: newId(), hook: newId(), name: "nothing" };
  const before = await api.countRows();
  for (const [method, path, body] of routes) {
    const [one, other] = await Promise.all(
      [theirs, nobodys].map(async (ids) => {
        const answer = await foreigner.call(method, path(ids), body ? { body: body as never } : {});
        const text = JSON.stringify([answer.status, [...answer.headers], answer.body]);
        return Object.values(ids).reduce((shown, id) => shown.replaceAll(id, "…"), text);
      }),
    );
    assert.equal(one, other, `${method} ${path(theirs)}`);
  }
  assert.deepEqual(await api.countRows(), before);
});

/** Answers whose bodies are made only where they are shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hono } from "hono";
import { z } from "zod";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { ApiEnv } from "../environment.ts";
import { openApi } from "../testing/open-api.ts";
import { mountRoutes } from "./mount-routes.ts";
import { defineRoute, LazyBody, type Route } from "./route.ts";

const api = await openApi();
const { namespaceId } = await api.newTenant();
const thing = z.object({ id: z.string() });
const MINIMAL = { prefer: "return=minimal" };

const FACTS = {
  method: "POST",
  path: "/things/:id",
  operationId: "changeThing",
  summary: "Change a thing",
  access: null,
  idempotency: { by: null, why: "It is a test." },
  mayBeMinimal: true,
  answers: { 200: { is: "The thing.", schema: thing }, 201: { is: "The thing.", schema: thing } },
} as const;

const NOT_AUDITED = { not: "It is a test." };

/** An API with that route alone; what it threw. */
function serve(route: Route) {
  const app = new Hono<ApiEnv>();
  const thrown: string[] = [];
  app.use(async (context, next) => {
    context.set("owner", { namespaceId, keyId: null, keyName: "test" } as unknown as KeyOwner);
    await next();
  });
  mountRoutes(app, [route], api.parts);
  app.onError((error, context) => {
    thrown.push(error.message);
    return context.body(null, 500);
  });
  const post = async (headers: Record<string, string> = {}) =>
    await app.request("/things/a", { method: "POST", headers });
  return { post, thrown };
}

for (const [status, minimalStatus] of [
  [200, 204],
  [201, 201],
] as const)
  test(`a body that nobody wants to see is not made: ${status}`, async () => {
    const { post, thrown } = serve(
      defineRoute({
        ...FACTS,
        audit: NOT_AUDITED,
        async handle() {
          const make = () => {
            throw new Error("made");
          };
          return { status, body: new LazyBody<{ id: string }>(make) };
        },
      }),
    );
    const minimal = await post(MINIMAL);
    assert.deepEqual([minimal.status, await minimal.text()], [minimalStatus, ""]);
    assert.equal(minimal.headers.get("preference-applied"), "return=minimal");
    assert.deepEqual(thrown, []);
    await post();
    assert.deepEqual(thrown, ["made"]);
  });

test("a body that is shown is made once", async () => {
  let count = 0;
  const { post } = serve(
    defineRoute({
      ...FACTS,
      audit: NOT_AUDITED,
      async handle() {
        const make = () => {
          count += 1;
          return { id: `made ${count}` };
        };
        return { status: 200, body: new LazyBody(make) };
      },
    }),
  );
  assert.deepEqual(await (await post()).json(), { id: "made 1" });
});

test("an audited change cannot answer one: the log would not see it", async () => {
  const { post, thrown } = serve(
    defineRoute({
      ...FACTS,
      audit: { resource: "things/:id", summarize: () => ({}) },
      async handle() {
        return { status: 200, body: new LazyBody(() => ({ id: "a" })) };
      },
    }),
  );
  for (const headers of [{}, MINIMAL]) assert.equal((await post(headers)).status, 500);
  assert.deepEqual(thrown, Array(2).fill("changeThing is audited: its answer must be made"));
  const { rows } = await api.store.pool.query("SELECT FROM audit_log WHERE action = 'changeThing'");
  assert.equal(rows.length, 0);
});

test("what was asked for is shown, whatever its caller prefers", async () => {
  const { post } = serve(
    defineRoute({
      ...FACTS,
      audit: NOT_AUDITED,
      async handle() {
        return { status: 200, body: new LazyBody(() => ({ id: "a" })), isAsked: true };
      },
    }),
  );
  const answer = await post(MINIMAL);
  assert.deepEqual([answer.status, await answer.json()], [200, { id: "a" }]);
});

/** The document and the routes are the same, both ways; what it shows is true. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { apiFeatures } from "../features.ts";
import type { Route } from "../http/route.ts";
import { DEFAULT_SETTINGS } from "../testing/default-settings.ts";
import { openApi } from "../testing/open-api.ts";
import { describeApi } from "./document.ts";
import { exampleOf } from "./example-of.ts";
import { documentFeature } from "./routes.ts";

const api = await openApi();
const features = apiFeatures(DEFAULT_SETTINGS);
const routes = features.flatMap((feature) => feature.routes);

interface Operation {
  operationId: string;
  security: Record<string, string[]>[];
  tags: string[];
  parameters?: { in: string; name: string; schema: object }[];
  requestBody?: { content: Record<string, { schema: object; example?: unknown }> };
  responses: Record<string, { content?: Record<string, { example?: unknown }>; $ref?: string }>;
}

async function readDocument() {
  const { status, body } = await api.anonymous.call("GET", "/openapi.json");
  assert.equal(status, 200);
  return body as {
    openapi: string;
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, Record<string, object>>; responses: Record<string, unknown> };
  };
}

/** As the document writes what Hono was told. */
function toTemplate(path: string): string {
  return path === "/fn/*"
    ? "/fn/{namespace}/{name}/{path}"
    : path.replaceAll(/:(\w+)(?:\{[^}]*\})?/g, "{$1}");
}

test("every route has an operation, and every operation a route", async () => {
  const { paths } = await readDocument();
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const isMiddleware = (method: string, path: string) => method === "ALL" && path !== "/fn/*";
  const served = api.app.routes
    .filter(({ method, path }) => !isMiddleware(method, path))
    .flatMap(({ method, path }) =>
      (method === "ALL" ? ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] : [method]).map(
        (each) => `${each} ${toTemplate(path)}`,
      ),
    );
  assert.ok(served.length > 40);
  assert.deepEqual(described.sort(), served.sort());
});

test("every operation has an id of its own, a tag, what it needs, its answers with examples, and its errors", async () => {
  const { paths, components } = await readDocument();
  const ids = new Set<string>();
  for (const [path, operations] of Object.entries(paths)) {
    for (const { operationId, security, tags, responses } of Object.values(operations)) {
      assert.ok(!ids.has(operationId), operationId);
      ids.add(operationId);
      assert.equal(tags.length, 1, operationId);
      assert.equal(security.length > 0, /^\/(v1\/|fn\/|mcp$)/.test(path), operationId);
      for (const [status, { content = {}, $ref }] of Object.entries(responses)) {
        if (Number(status) >= 400 && Number(status) !== 503)
          assert.ok(
            $ref && $ref.slice("#/components/responses/".length) in components.responses,
            operationId,
          );
        const json = content["application/json"];
        if (json && operationId !== "invokeFunction") assert.ok(json.example, `${operationId} ${status}`);
      }
    }
  }
});

/** Schemas whose examples the document shows. */
function schemasOf({ answers, body, ownBody }: Route): z.ZodType[] {
  const contents = [...Object.values(answers).map(({ content }) => content ?? {}), ownBody?.content ?? {}];
  const schemas = [...Object.values(answers).map(({ schema }) => schema), body?.schema];
  return [
    ...schemas.filter((schema) => schema !== undefined),
    ...contents.flatMap((each) => Object.values(each)),
  ];
}

test("every example is as its schema says", () => {
  let checked = 0;
  for (const route of routes) {
    for (const schema of schemasOf(route)) {
      const example = exampleOf(schema);
      if (example === undefined) continue;
      const parsed = schema.safeParse(example);
      assert.ok(parsed.success, `${route.operationId}: ${parsed.error && z.prettifyError(parsed.error)}`);
      checked += 1;
    }
  }
  assert.ok(checked > 40);
});

test("a duration is described as it is written, with what is taken and nothing else", async () => {
  const { paths } = await readDocument();
  const { schema } = paths["/v1/tasks"]!["post"]!.requestBody!.content["application/json"]!;
  type OrNull = { anyOf: { type: string; pattern: string }[] };
  const { oneOf } = schema as { oneOf: { properties: Record<string, OrNull> }[] };
  const { type, pattern } = oneOf[0]!.properties["timeout"]!.anyOf[0]!;
  assert.equal(type, "string");
  for (const text of ["500ms", "30s", "1.5h", "1d", "1w", "1h30m", "PT1H30M", "P2DT3S", "P1W"])
    assert.match(text, new RegExp(pattern));
  for (const text of ["", "30", "s", "-5s", "P", "PT", "30m1h", "P1Y", "x30s"])
    assert.doesNotMatch(text, new RegExp(pattern));
});

test("answers may get further fields, requests may not hold any", async () => {
  const { paths, components } = await readDocument();
  assert.equal(components.schemas["Run"]!["additionalProperties"], undefined);
  const { schema } = paths["/v1/dead-letters/redrive"]!["post"]!.requestBody!.content["application/json"]!;
  assert.equal((schema as { additionalProperties: unknown }).additionalProperties, false);
});

test("the document has an ETag, and who has it already is told so", async () => {
  const first = await api.anonymous.call("GET", "/openapi.json");
  const etag = first.headers.get("etag")!;
  assert.match(etag, /^"[\w-]{43}"$/);
  for (const known of [etag, `W/${etag}`, `"another", ${etag}`, "*"]) {
    const headers = { "if-none-match": known };
    for (const method of ["GET", "HEAD"]) {
      const answer = await api.anonymous.call(method, "/openapi.json", { headers });
      assert.deepEqual([answer.status, answer.body], [304, undefined], `${method} ${known}`);
      assert.equal(answer.headers.get("etag"), etag);
    }
  }
  for (const unknown of ['"another"', etag.slice(1, -1)]) {
    const headers = { "if-none-match": unknown };
    const answer = await api.anonymous.call("GET", "/openapi.json/", { headers });
    assert.deepEqual([answer.status, answer.body], [200, first.body]);
  }
});

test("an API that prepares itself at its start has the document before it is asked", async () => {
  let asked = 0;
  const { prepare, routes: own } = documentFeature(() => {
    asked += 1;
    return features;
  });
  prepare!();
  assert.equal(asked, 1);
  const [route] = own;
  await route!.handle({} as Parameters<Route["handle"]>[0]);
  assert.equal(asked, 1);
});

test("the document is made of the routes that are served, once", async () => {
  const first = await readDocument();
  assert.deepEqual(first, JSON.parse(JSON.stringify(describeApi(features))));
  assert.equal(first.openapi, "3.1.1");
});

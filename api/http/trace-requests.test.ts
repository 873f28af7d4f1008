import assert from "node:assert/strict";
import { after, test } from "node:test";
import { sql } from "kysely";
import type { Logger } from "../../core/telemetry/log.ts";
import { createOtlpTracer } from "../../core/telemetry/otlp-tracer.ts";
import { createOtlpReceiver } from "../../test/support/otlp-receiver.ts";
import { createRecording } from "../../test/support/recording.ts";
import { openApi } from "../testing/open-api.ts";

const collector = await createOtlpReceiver();
const tracer = createOtlpTracer({
  url: `${collector.url}/v1/traces`,
  ...{ headers: {}, resource: {}, role: "api", sampler: "parentbased_always_on", samplerRatio: 1 },
  onDropped: () => {},
});
const logged = createRecording<Record<string, unknown>>("line");
const ignore = () => {};
const log: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: (line: object) => logged.add({ ...line }),
};
const api = await openApi({ tracer, log });
const untraced = await openApi();

after(async () => {
  await tracer.close();
  await collector.close();
});

let lastTrace = 0;
/** The span of one request. */
async function spanOf(request: (headers: Record<string, string>) => Promise<unknown>) {
  lastTrace += 1;
  const traceId = String(lastTrace).padStart(32, "0");
  await request({ traceparent: `00-${traceId}-${"1".repeat(16)}-01` });
  return await collector.waitFor((span) => span.traceId === traceId);
}

test("spans have the names of routes, whatever the path holds", async () => {
  const tenant = await api.newTenant();
  const cases = [
    ["GET", "/v1/tasks?limit=5", "GET /v1/tasks", 200],
    ["GET", "/v1/runs/s3cret-id", "GET /v1/runs/:id", 404],
    ["POST", "/hooks/s3cret-token?key=s3cret", "POST /hooks/:token", 404],
    ["GET", "/fn/default/s3cret-path/more", "GET /fn/*", 404],
    ["GET", "/s3cret", "GET", 404],
    ["BREW", "/v1/tasks", "_OTHER /v1/*", 405],
  ] as const;
  const check = async ([method, path, name, status]: (typeof cases)[number]) => {
    const span = await spanOf((headers) => tenant.call(method, path, { headers }));
    assert.deepEqual([span.name, span.attributes["http.response.status_code"]], [name, status], path);
    assert.equal(span.isError, false);
  };
  await Promise.all(cases.map(check));
  assert.ok(!JSON.stringify(collector.spans).includes("s3cret"));
});

test("what a request makes remembers its span, and tells it", async () => {
  const tenant = await api.newTenant();
  let runId = "";
  const body = { type: "http", url: "https://example.com/" };
  const span = await spanOf(async (headers) => {
    const { body: task } = await tenant.call("POST", "/v1/tasks", { body, headers });
    const { body: runs } = await tenant.call("GET", `/v1/tasks/${task.id}/runs`);
    runId = runs.items[0].id;
  });
  const run = await api.work(runId, { state: "succeeded", result: null });
  assert.equal(run.traceparent, span.traceparent);
  const { body: shown } = await tenant.call("GET", `/v1/runs/${runId}`);
  assert.equal(shown.traceId, span.traceId);
  assert.equal(shown.state, "succeeded");
});

test("where nothing is traced a run has no trace", async () => {
  const tenant = await untraced.newTenant();
  const body = { type: "http", url: "https://example.com/" };
  const headers = { traceparent: `00-${"a".repeat(32)}-${"1".repeat(16)}-01` };
  const { body: task } = await tenant.call("POST", "/v1/tasks", { body, headers });
  const { body: runs } = await tenant.call("GET", `/v1/tasks/${task.id}/runs`);
  assert.equal(runs.items[0].traceId, null);
});

test("a request that fails unforeseen is an error of its span, and the log names both", async () => {
  await sql`ALTER TABLE workers RENAME COLUMN slots TO gone`.execute(api.db);
  const span = await spanOf(async (headers) => {
    assert.equal((await api.operator.call("GET", "/v1/workers", { headers })).status, 500);
  });
  await sql`ALTER TABLE workers RENAME COLUMN gone TO slots`.execute(api.db);
  assert.ok(span.isError);
  assert.equal(span.attributes["error.type"], "500");
  const [line] = await logged.waitFor(({ error }) => error instanceof Error);
  assert.deepEqual([line!["traceId"], line!["spanId"]], [span.traceId, span.spanId]);
});

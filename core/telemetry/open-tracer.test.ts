import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { readSettings } from "../config/settings.ts";
import { createLogger } from "./log.ts";
import { openTracer, TRACE_SETTINGS } from "./open-tracer.ts";
import { NO_SPAN, NO_TRACER } from "./tracing.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const open = (env: NodeJS.ProcessEnv) =>
  openTracer("api", readSettings(TRACE_SETTINGS, env), createLogger("api", "silent"));

test("nothing is traced unless a collector is named", async () => {
  assert.equal(await open({ OTEL_SERVICE_NAME: "mine" }), NO_TRACER);
  const span = NO_TRACER.continueTrace("GET", "x").startChild("call");
  assert.equal(span, NO_SPAN);
  assert.deepEqual([span.traceparent, span.logFields], [undefined, {}]);
  const tracer = await open({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9/" });
  assert.ok(tracer.isOn);
  await tracer.close();
});

test("the roles do not load the SDK by themselves", async () => {
  const program = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    for (const role of ["api", "scheduler", "runtime"]) await import(${JSON.stringify(ROOT)} + "/" + role + "/main.ts");
    console.log(JSON.stringify({ count: loaded.length, sdk: loaded.filter((url) => /@opentelemetry.(?!api.)/.test(url)) }));
    process.exit(0);`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    cwd: ROOT,
  });
  const { count, sdk } = JSON.parse(stdout) as { count: number; sdk: string[] };
  assert.ok(count > 100, "the roles were loaded");
  // Its API, which does nothing by itself, comes with prom-client.
  assert.deepEqual(sdk, []);
});

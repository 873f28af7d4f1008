import assert from "node:assert/strict";
import { after, test } from "node:test";
import { build, stop } from "esbuild";
import type { Registry } from "prom-client";
import { adaptPackages } from "./adapt-packages.ts";

after(stop);

test("when the process started is asked for once, however the clock is moved later", async (t) => {
  const contents = `export { default as client } from "prom-client";`;
  const stdin = { contents, resolveDir: import.meta.dirname, loader: "ts" } as const;
  const plugins = [adaptPackages];
  const { outputFiles } = await build({
    ...{ stdin, plugins, bundle: true, write: false, logLevel: "silent" },
    ...{ platform: "node", format: "cjs" },
  });
  const module: { exports: { client?: typeof import("prom-client") } } = { exports: {} };
  new Function("module", "require", outputFiles[0]!.text)(module, process.getBuiltinModule);
  const { client } = module.exports;
  const registry: Registry = new client!.Registry();
  let now = Date.now();
  t.mock.method(Date, "now", () => now);
  client!.collectDefaultMetrics({ register: registry });
  const startedAt = async () => {
    const { values } = await registry.getSingleMetric("process_start_time_seconds")!.get();
    return values[0]!.value;
  };
  const first = await startedAt();
  assert.ok(Math.abs(first - (now / 1_000 - process.uptime())) <= 2);
  now += 60_000;
  assert.equal(await startedAt(), first);
});

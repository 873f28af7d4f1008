/** The checked-in rules, by promtool; every alert is tried both ways and has its runbook. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { type Kustomize, provideKustomize } from "../tools/kustomize.ts";
import { providePrometheus } from "../tools/prometheus.ts";
import { skipUnlessStrict } from "../tools/skip.ts";

interface ConfigMap {
  kind: string;
  metadata: { name: string };
  data: Record<string, string>;
}

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..");
const FOLDER = join(ROOT, "manifests", "monitoring", "prometheus");
const tools = await providePrometheus();
const skip = "skip" in tools ? skipUnlessStrict(tools.skip) : false;

const read = (...path: string[]) => readFileSync(join(...path), "utf8");
const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]!);

describe("the rules", { skip }, () => {
  const promtool = "promtool" in tools ? tools.promtool : "";

  it("are valid", async () => {
    const { stdout } = await run(promtool, ["check", "rules", join(FOLDER, "bellhop.rules.yml")]);
    assert.match(stdout, /SUCCESS: \d+ rules found/);
  });

  it("fire when they should, and only then", async () => {
    await run(promtool, ["test", "rules", "bellhop.rules.test.yml"], { cwd: FOLDER }).catch((error) =>
      assert.fail(`${error.stdout}${error.stderr}`),
    );
  });

  it("stand beside a configuration that Prometheus takes", async () => {
    const { stdout } = await run(promtool, ["check", "config", join(FOLDER, "prometheus.yml")]);
    assert.match(stdout, /SUCCESS: .*prometheus\.yml is valid/);
  });

  it("and beside one for Kubernetes, whose discovery Debian's Prometheus is built without", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "bellhop-test-prometheus-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const discovery = /kubernetes_sd_configs:\n +- role: pod\n +namespaces: \{ names: \[bellhop\] \}\n/;
    const config = read(FOLDER, "kubernetes.yml");
    assert.match(config, discovery);
    copyFileSync(join(FOLDER, "bellhop.rules.yml"), join(folder, "bellhop.rules.yml"));
    writeFileSync(
      join(folder, "prometheus.yml"),
      config.replace(discovery, 'static_configs: [{ targets: ["pod:8080"] }]\n'),
    );
    const { stdout } = await run(promtool, ["check", "config", join(folder, "prometheus.yml")]);
    assert.match(stdout, /SUCCESS: .*prometheus\.yml is valid/);
  });
});

const kustomize = await provideKustomize();

describe("on Kubernetes", { skip: "skip" in kustomize ? kustomize.skip : false }, () => {
  it("rules and dashboards are the same files, in ConfigMaps", async () => {
    const monitoring = join(ROOT, "manifests", "monitoring");
    const rendered = await (kustomize as Kustomize).build(monitoring);
    const maps = parseAllDocuments(rendered).map((document) => document.toJS() as ConfigMap);
    const dashboard = (name: string) => read(monitoring, "grafana", "dashboards", `${name}.json`);
    assert.deepEqual(Object.fromEntries(maps.map(({ metadata, data }) => [metadata.name, data])), {
      "bellhop-rules": { "bellhop.rules.yml": read(FOLDER, "bellhop.rules.yml") },
      "bellhop-dashboards": {
        "bellhop-overview.json": dashboard("overview"),
        "bellhop-functions.json": dashboard("functions"),
      },
    });
    for (const { kind } of maps) assert.equal(kind, "ConfigMap");
  });
});

describe("each alert", () => {
  const rules = read(FOLDER, "bellhop.rules.yml");
  const tests = read(FOLDER, "bellhop.rules.test.yml");
  const docs = read(ROOT, "docs", "monitoring.md");
  const alerts = all(rules, /^ +- alert: (\w+)$/gm);

  it("is tried both ways", () => {
    assert.ok(alerts.length > 20);
    assert.deepEqual(all(tests, /^ +- name: '(\w+) fires: /gm).sort(), [...alerts].sort());
    assert.deepEqual(all(tests, /^ +- name: '(\w+) is silent'$/gm).sort(), [...alerts].sort());
  });

  it("has a severity, says what is wrong, and has a runbook", () => {
    const parts = rules.split(/^ +- alert: /m).slice(1);
    for (const part of parts) {
      const name = part.split("\n")[0]!;
      assert.match(part, /severity: (warning|critical)/, name);
      for (const field of ["summary", "description"]) assert.match(part, new RegExp(`${field}: \\S`), name);
      assert.match(part, new RegExp(`runbook_url: docs/monitoring\\.md#${name.toLowerCase()}\n`), name);
    }
    assert.deepEqual(all(docs, /^#### (Bellhop\w+)$/gm), alerts, "a runbook for each, in their order");
  });
});

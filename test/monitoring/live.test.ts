/** Real roles under real traffic, scraped by a real Prometheus: what the dashboards and rules ask is answered. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { type RunningProcess, startProcess } from "../support/processes.ts";
import { createSmtpSink, type SmtpSink } from "../support/smtp-sink.ts";
import { type Cluster, portOf, startCluster, waitForDirectCalls } from "../system/cluster.ts";
import { eventually } from "../system/runs.ts";
import { providePrometheus } from "../tools/prometheus.ts";
import { skipUnlessStrict } from "../tools/skip.ts";
import { DASHBOARDS, fillVariables, questionPanels, readDashboard } from "./dashboards.ts";
import { type LivePrometheus, startPrometheus } from "./live-prometheus.ts";
import { listMetrics, readDocumented } from "./metric-names.ts";
import { deployFunctions, makeTraffic, WRITTEN } from "./traffic.ts";

const run = promisify(execFile);
const tools = await providePrometheus();
const skip = "skip" in tools ? skipUnlessStrict(tools.skip) : false;

/** Of a system without a collector of traces. */
const NOT_HERE = ["bellhop_trace_spans_dropped_total"];

describe("monitoring of real roles", { skip }, () => {
  const { prometheus: program, promtool } = tools as { prometheus: string; promtool: string };
  let cluster: Cluster;
  let autoscaler: RunningProcess;
  let sink: HttpSink;
  let mail: SmtpSink;
  let prometheus: LivePrometheus;
  let traffic: { stop(): Promise<void> };
  /** Where each role answers. */
  const urls: Record<string, string> = {};

  before(async () => {
    sink = await createHttpSink();
    mail = await createSmtpSink();
    const env = {
      EMAIL_URL: mail.url,
      EMAIL_FROM: "bellhop@example.com",
      WORKERS_MIN: "1",
      WORKERS_MAX: "1",
    };
    cluster = await startCluster({ schedulers: 1, workers: 0, env });
    autoscaler = startProcess("runtime/autoscaler/main.ts", {
      env: {
        ...{ DATABASE_URL: cluster.databaseUrl, PORT: "0", HOST: "127.0.0.1", EGRESS_ALLOW: "127.0.0.0/8" },
        ...env,
        LOG_LEVEL: "debug",
      },
    });
    await autoscaler.waitForLine(/"msg":"autoscaler started"/);
    const ports = {
      api: portOf(cluster.apiProcess),
      scheduler: portOf(cluster.schedulers[0]!),
      autoscaler: portOf(autoscaler),
    };
    for (const [role, port] of Object.entries(ports)) urls[role] = `http://127.0.0.1:${port}`;
    const targets = async () =>
      (await (await fetch(`${urls["autoscaler"]}/targets`)).json()) as { targets: string[] }[];
    const [found] = await eventually("a worker", targets, ([first]) => first !== undefined);
    urls["worker"] = `http://${found!.targets[0]}`;
    prometheus = await startPrometheus(program, ports);
    await waitForDirectCalls(cluster.api);
    await deployFunctions(cluster.api);
    traffic = makeTraffic(cluster.api, sink);
  });

  after(async () => {
    await traffic?.stop();
    await prometheus?.stop();
    await autoscaler?.stop();
    await cluster?.stop();
    await Promise.all([sink?.close(), mail?.close()]);
  });

  const readMetrics = async (role: string) => await (await fetch(`${urls[role]}/metrics`)).text();

  it("every panel's questions are valid and have answers", async () => {
    const questions = DASHBOARDS.flatMap((name) =>
      questionPanels(readDashboard(name)).flatMap(({ title, targets }) =>
        targets!.map(({ refId, expr }) => ({ name: `${name}, ${title}, ${refId}`, expr })),
      ),
    );
    const unanswered = async () => {
      const open: string[] = [];
      for (const { name, expr } of questions) {
        const samples = await prometheus.query(fillVariables(expr, "1m"));
        if (!samples.some(({ value }) => Number.isFinite(value))) open.push(`${name}: ${expr}`);
      }
      return open;
    };
    await eventually("an answer to each question", unanswered, ({ length }) => length === 0);
  });

  it("the variable of the functions' dashboard lists the functions that ran", async () => {
    const names = () =>
      prometheus.get<string[]>("/api/v1/label/function/values?match[]=bellhop_function_attempts_total");
    const ran = ["greet", "broken"];
    await eventually("the functions that ran", names, (listed) => ran.every((name) => listed.includes(name)));
  });

  it("every rule is evaluated, and every metric it goes by is there", async () => {
    const readRules = async () => {
      const { groups } = await prometheus.get<{
        groups: { rules: { name: string; query: string; health: string; lastError?: string }[] }[];
      }>("/api/v1/rules");
      return groups.flatMap((group) => group.rules);
    };
    const isEvaluated = ({ health }: { health: string }) => health !== "unknown";
    const rules = await eventually("each rule's evaluation", readRules, (all) => all.every(isEvaluated));
    assert.ok(rules.length > 30);
    for (const { name, health, lastError } of rules) assert.equal(health, "ok", `${name}: ${lastError}`);
    const metrics = rules
      .flatMap(({ query }) => query.match(/\b(?:bellhop[\w:]+|up\b(?=\{)|process_\w+)/g) ?? [])
      .filter((metric) => !metric.startsWith("bellhop-"));
    const untold = async () => {
      const counts = [...new Set(metrics)].map(
        async (metric) => [metric, await prometheus.query(`count(${metric})`)] as const,
      );
      return (await Promise.all(counts)).flatMap(([metric, [count]]) => (count ? [] : [metric]));
    };
    await eventually("every metric that the rules go by", untold, ({ length }) => length === 0);
  });

  it("an alert fires for what went wrong", async () => {
    const firing = async () =>
      (await prometheus.query('ALERTS{alertstate="firing"}')).map(({ metric }) => metric["alertname"]);
    await eventually("the alert of dead letters", firing, (names) => names.includes("BellhopDeadLetters"));
    assert.deepEqual(await prometheus.query('ALERTS{alertname="BellhopRoleDown"}'), []);
  });

  for (const role of ["api", "scheduler", "autoscaler", "worker"]) {
    it(`the metrics of the ${role} keep the conventions, by promtool`, async () => {
      const checking = run(promtool, ["check", "metrics"]);
      checking.child.stdin!.end(await readMetrics(role));
      await checking.catch((error) => assert.fail(`${error.stdout}${error.stderr}`));
    });

    it(`docs/monitoring.md tells what the ${role} tells, and no more`, async () => {
      const docs = readFileSync(join(import.meta.dirname, "..", "..", "docs", "monitoring.md"), "utf8");
      const documented = readDocumented(docs, role).filter(({ name }) => !NOT_HERE.includes(name));
      const told = listMetrics(await readMetrics(role)).filter(({ name }) => name.startsWith("bellhop_"));
      const named = (metrics: { name: string; type: string }[]) =>
        metrics.map(({ name, type }) => `${name} ${type}`).sort();
      assert.deepEqual(named(documented), named(told));
      for (const { name, labels } of told) {
        const known = documented.find((each) => each.name === name)!.labels;
        if (labels.length > 0) assert.deepEqual(labels, known, name);
      }
    });
  }

  it("a worker's log lines name run, task and attempt, and tell nothing of what they carry", () => {
    // What failed is told with the run's own id and name.
    const told = (msg: string) => autoscaler.logs.filter((line) => String(line["msg"]).includes(msg));
    for (const msg of ["attempt begins", "attempt recorded", " failed and is a dead letter: "]) {
      const lines = told(msg);
      assert.ok(
        lines.some(({ taskId }) => typeof taskId === "string"),
        `no ${msg} of a task`,
      );
      for (const { runId, attempt } of lines) {
        assert.match(String(runId), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        assert.ok(Number(attempt) >= 1);
      }
    }
    const begun = new Set(told("attempt begins").map(({ runId }) => runId));
    for (const { runId } of told("attempt recorded")) assert.ok(begun.has(runId));
    for (const line of autoscaler.lines) assert.doesNotMatch(line, new RegExp(`${WRITTEN}|user@example`));
  });

  it("no label holds what somebody wrote", async () => {
    for (const role of Object.keys(urls)) {
      const text = await readMetrics(role);
      for (const word of [WRITTEN, "user@example.com", sink.url, cluster.api.key])
        assert.ok(!text.includes(word), `${role} tells ${word}`);
    }
  });
});

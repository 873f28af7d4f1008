/** Every type of task × every kind of schedule, two schedulers and two workers, on real Kafka and Postgres. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import { createSmtpSink, type SmtpSink } from "../support/smtp-sink.ts";
import { type Cluster, readSample, startCluster } from "./cluster.ts";
import {
  assertFiredOnce,
  describeLateness,
  eventually,
  type Listed,
  listAllRuns,
  type WireRun,
} from "./runs.ts";

const kafka = await testKafka();

describe("every type on every schedule", { skip: "skip" in kafka ? kafka.skip : false }, () => {
  let cluster: Cluster;
  let sink: HttpSink;
  let mail: SmtpSink;

  before(async () => {
    sink = await createHttpSink();
    mail = await createSmtpSink();
    cluster = await startCluster({
      brokers: "brokers" in kafka ? kafka.brokers : "",
      schedulers: 2,
      workers: 2,
      env: { EMAIL_URL: `smtp://127.0.0.1:${mail.port}`, EMAIL_FROM: "bellhop@example.com" },
    });
    const source =
      "export default (input, ctx) => { ctx.log.info('called', input); return { attempt: ctx.attempt }; }";
    await cluster.api.call("PUT", "/v1/functions/echo", { source });
  });

  after(async () => {
    await cluster?.stop();
    await Promise.all([sink?.close(), mail?.close()]);
  });

  it("fires each at its instant, once, and records the run and its lines", async (t) => {
    const { api } = cluster;
    const specs: Record<string, object> = {
      http: {
        type: "http",
        method: "POST",
        url: `${sink.url}/hit`,
        headers: { "x-test": "1" },
        body: { n: 1 },
      },
      email: { type: "email", to: "user@example.com", subject: "hello", body: "text" },
      function: { type: "function", function: "echo", input: { n: 1 } },
    };
    const schedules: Record<string, { schedule: object | undefined; occurrences: number }> = {
      now: { schedule: undefined, occurrences: 1 },
      once: { schedule: { at: new Date(Date.now() + 3_000).toISOString() }, occurrences: 1 },
      delay: { schedule: { delay: "2s" }, occurrences: 1 },
      every: { schedule: { every: "1s" }, occurrences: 3 },
      cron: { schedule: { cron: "*/2 * * * * *", timezone: "Europe/Rome" }, occurrences: 2 },
    };
    const all: WireRun[] = [];
    const cancelled: WireRun[] = [];
    let gaps = 0;
    const tasks = Object.entries(specs).flatMap(([type, spec]) =>
      Object.entries(schedules).map(([kind, plan]) => ({ type, kind, spec, ...plan })),
    );
    await Promise.all(
      tasks.map(async ({ type, kind, spec, schedule, occurrences }) => {
        // What overlaps would be skipped, and a busy machine takes longer than a second for a run.
        const task = await api.call<{ id: string; createdAt: string; nextRunAt: string | null }>(
          "POST",
          "/v1/tasks",
          { ...spec, schedule, ...(occurrences > 1 ? { overlap: "allow" } : {}) },
        );
        const isDone = (runs: WireRun[]) =>
          runs.filter(({ state }) => state === "succeeded").length >= occurrences;
        await eventually(`${type} ${kind}`, () => listAllRuns(api, `/v1/tasks/${task.id}/runs`), isDone);
        if (occurrences > 1) await api.call("POST", `/v1/tasks/${task.id}/cancel`);
        const noneOpen = (runs: WireRun[]) =>
          runs.every(({ state }) => state === "succeeded" || state === "cancelled" || state === "skipped");
        const runs = await eventually(
          `${type} ${kind} to settle`,
          () => listAllRuns(api, `/v1/tasks/${task.id}/runs`),
          noneOpen,
        );
        const fired = runs.filter(({ state }) => state === "succeeded");
        if (occurrences === 1) assert.equal(fired.length, 1);
        gaps += assertInstants(kind, task, runs);
        all.push(...fired);
        cancelled.push(...runs.filter(({ state }) => state === "cancelled"));
      }),
    );
    assertFiredOnce(all);
    // Schedulers that come too late pass over instants, and count that; nothing else may be missing.
    const sample = 'bellhop_occurrences_skipped_total{reason="missed",role="scheduler"}';
    const missed = await Promise.all(cluster.schedulers.map((role) => readSample(role, sample)));
    assert.ok(gaps <= missed.reduce((sum, count) => sum + count, 0), `${gaps} gaps, missed ${missed}`);
    assertOutside(all, cancelled);
    const { apiProcess, schedulers, workers } = cluster;
    const lines = [apiProcess, ...schedulers, ...workers].flatMap(({ logs }) => logs);
    // A machine that stands still is late with what Kafka waits for, and that is told.
    const isOfStall = (line: object) => /timed? ?out|kafka is (not )?connected/i.test(JSON.stringify(line));
    assert.deepEqual(
      lines.filter((line) => String(line["msg"]).startsWith("kafka") && !isOfStall(line)),
      [],
      "nothing of Kafka's own everyday life is told",
    );
    for (const run of all) {
      const logs = await api.call<Listed<{ runId: string; message: string }>>(
        "GET",
        `/v1/runs/${run.id}/logs`,
      );
      assert.ok(logs.items.length >= 1, `${run.type} run ${run.id} has no log line`);
      assert.ok(logs.items.every(({ runId }) => runId === run.id));
    }
    t.diagnostic(describeLateness(all));
  });

  /** Of all its runs: the cancel may have met an earlier one than those that ended. Answers where instants are missing. */
  function assertInstants(
    kind: string,
    task: { createdAt: string; nextRunAt: string | null },
    runs: WireRun[],
  ): number {
    const instants = runs
      .filter(({ state }) => state !== "skipped")
      .map(({ scheduledFor }) => Date.parse(scheduledFor))
      .sort((a, b) => a - b);
    const createdMs = Date.parse(task.createdAt);
    const periodMs = { every: 1_000, cron: 2_000 }[kind];
    const nextMs = task.nextRunAt === null ? undefined : Date.parse(task.nextRunAt);
    if (periodMs === undefined) {
      if (nextMs !== undefined) assert.equal(instants[0], nextMs, `${kind} did not fire at nextRunAt`);
      if (kind === "delay") assert.equal(instants[0], createdMs + 2_000);
      return 0;
    }
    const originMs = kind === "every" ? createdMs : 0;
    for (const at of instants) assert.equal((at - originMs) % periodMs, 0, `${kind} at ${at}`);
    const expected = (index: number) => (index > 0 ? instants[index - 1]! + periodMs : nextMs);
    return instants.filter((at, index) => at !== expected(index)).length;
  }

  /** What the outside saw: one request and one mail for each run; at most one of a run that was cancelled at work. */
  function assertOutside(fired: WireRun[], cancelled: WireRun[]): void {
    const seen = {
      http: sink.requests.map(({ headers }) => headers["bellhop-run-id"] as string),
      email: mail.messages.map(({ raw }) => /^Message-ID: <([^@>]+)@/im.exec(raw)?.[1] ?? raw),
    };
    for (const [type, ids] of Object.entries(seen)) {
      assert.equal(new Set(ids).size, ids.length, `${type}: a run was seen twice`);
      const wasCancelledAtWork = (id: string) =>
        cancelled.some((run) => run.id === id && run.attempts.length === 1);
      assert.deepEqual(
        ids.filter((id) => !wasCancelledAtWork(id)).sort(),
        fired
          .filter((run) => run.type === type)
          .map(({ id }) => id)
          .sort(),
      );
    }
  }
});

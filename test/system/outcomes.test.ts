/** What becomes of runs that do not simply succeed, through the whole system on Kafka: retries, dead letters, limits, cancels. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import { createSmtpSink, type SmtpSink } from "../support/smtp-sink.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually, type Listed, listAllRuns, type WireRun } from "./runs.ts";

const kafka = await testKafka();
const PREFIX = `outcomes-${process.pid}`;

describe("outcomes", { skip: "skip" in kafka ? kafka.skip : false }, () => {
  let cluster: Cluster;
  let sink: HttpSink;
  let mail: SmtpSink;
  const brokers = "brokers" in kafka ? kafka.brokers : "";

  before(async () => {
    sink = await createHttpSink();
    mail = await createSmtpSink();
    cluster = await startCluster({
      brokers,
      schedulers: 1,
      workers: 1,
      env: {
        KAFKA_TOPIC_PREFIX: PREFIX,
        EMAIL_URL: `smtp://127.0.0.1:${mail.port}`,
        EMAIL_FROM: "bellhop@example.com",
      },
    });
  });

  after(async () => {
    await cluster?.stop();
    await Promise.all([sink?.close(), mail?.close()]);
  });

  const quick = (maxAttempts: number) => ({ maxAttempts, backoff: { initial: "50ms", jitter: false } });

  async function runTask(body: object, state: string): Promise<WireRun> {
    const task = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", body);
    const list = () => listAllRuns(cluster.api, `/v1/tasks/${task.id}/runs`);
    const [run] = await eventually(`a run that is ${state}`, list, ([only]) => only?.state === state);
    return run!;
  }

  async function readDeadLetter(runId: string): Promise<{ taskId: string; error: { code: string } }> {
    const client = new Kafka({ clientId: "test", brokers: [brokers], logLevel: logLevel.NOTHING });
    const consumer = client.consumer({ groupId: `test-${runId}` });
    await consumer.connect();
    await consumer.subscribe({ topics: [`${PREFIX}.dead-letters`], fromBeginning: true });
    try {
      return await new Promise((resolve) => {
        void consumer.run({
          eachMessage: async ({ message }) => {
            if (message.key?.toString() === runId) resolve(JSON.parse(message.value!.toString()));
          },
        });
      });
    } finally {
      await consumer.disconnect();
    }
  }

  it("retries what may pass, waits as long as Retry-After asks, and keeps each attempt's error", async () => {
    sink.reply = ({ url }) => {
      if (url !== "/flaky") return { status: 200 };
      const tries = sink.requests.filter((request) => request.url === "/flaky").length;
      if (tries === 1) return { status: 503 };
      return tries === 2 ? { status: 429, headers: { "retry-after": "1" } } : { status: 200, body: "fine" };
    };
    const run = await runTask({ type: "http", url: `${sink.url}/flaky`, retry: quick(5) }, "succeeded");
    assert.equal(run.attempt, 3);
    assert.deepEqual(
      run.attempts.map(({ error }) => error?.code ?? null),
      ["http_status", "http_status", null],
    );
    const [, second, third] = sink.requests.filter(({ url }) => url === "/flaky");
    assert.ok(third!.at - second!.at >= 1_000, "Retry-After was not obeyed");
    assert.equal(third!.headers["bellhop-attempt"], "3");
  });

  it("sets aside what keeps failing, tells the dead-letter topic, and redrives it by one call", async () => {
    let healed = false;
    sink.reply = () => ({ status: healed ? 200 : 500 });
    const run = await runTask({ type: "http", url: `${sink.url}/down`, retry: quick(2) }, "dead");
    assert.equal(run.attempts.length, 2);
    const letters = await cluster.api.call<Listed<WireRun>>("GET", "/v1/dead-letters");
    assert.ok(letters.items.some(({ id }) => id === run.id));
    const letter = await readDeadLetter(run.id);
    assert.equal(letter.taskId, run.taskId);
    assert.equal(letter.error.code, "http_status");
    healed = true;
    await cluster.api.call("POST", `/v1/dead-letters/${run.id}/redrive`);
    const get = () => cluster.api.call<WireRun>("GET", `/v1/runs/${run.id}`);
    const redriven = await eventually("the redriven run", get, ({ state }) => state === "succeeded");
    assert.equal(redriven.attempt, 3);
  });

  it("fails for good where the task turns dead-lettering off", async () => {
    sink.reply = () => ({ status: 400 });
    const run = await runTask({ type: "http", url: `${sink.url}/bad`, deadLetter: false }, "failed");
    assert.equal(run.attempts.length, 1, "a 400 is not tried again");
  });

  it("tries a mail again after a 4xx and not after a 5xx", async () => {
    let refusals = 0;
    mail.refuse = ({ address }) => {
      if (address === "gone@example.com") return { code: 550, message: "no such user" };
      refusals += 1;
      return refusals === 1 ? { code: 451, message: "later" } : undefined;
    };
    const body = { type: "email", subject: "s", body: "b", retry: quick(3) };
    const later = await runTask({ ...body, to: "later@example.com" }, "succeeded");
    assert.equal(later.attempt, 2);
    const gone = await runTask({ ...body, to: "gone@example.com" }, "dead");
    assert.equal(gone.attempts.length, 1);
  });

  it("stops an endless loop and a runaway allocation, and goes on", async () => {
    const deploy = (name: string, source: string) =>
      cluster.api.call("PUT", `/v1/functions/${name}`, { source });
    await deploy("loop", "export default () => { for (;;) {} }");
    await deploy(
      "hog",
      "export default () => { const all = []; for (;;) all.push(new Array(1e6).fill(1)); }",
    );
    await deploy("fine", "export default (input) => input.n + 1;");
    const looping = await runTask(
      { type: "function", function: "loop", timeout: "500ms", retry: quick(1) },
      "dead",
    );
    assert.equal(looping.error!.code, "function_timeout");
    const hogging = await runTask({ type: "function", function: "hog", retry: quick(1) }, "dead");
    assert.equal(hogging.error!.code, "function_memory_exceeded");
    assert.equal(await cluster.api.call("POST", "/v1/functions/fine/invoke", { n: 1 }), 2);
  });

  it("cancels a running run and the task's waiting ones", async () => {
    sink.reply = () => ({ status: 200, delayMs: 60_000 });
    const task = await cluster.api.call<{ id: string }>("POST", "/v1/tasks", {
      type: "http",
      url: `${sink.url}/hang`,
    });
    await sink.waitFor(({ url }) => url === "/hang", { count: 1 });
    const cancelled = await cluster.api.call<{ state: string }>("POST", `/v1/tasks/${task.id}/cancel`);
    assert.equal(cancelled.state, "cancelled");
    const list = () => listAllRuns(cluster.api, `/v1/tasks/${task.id}/runs`);
    const [run] = await eventually("the run to be cancelled", list, ([only]) => only?.state === "cancelled");
    const tookMs = Date.parse(run!.finishedAt) - Date.parse(run!.startedAt);
    assert.ok(tookMs < 30_000, `${tookMs} ms: its own timeout would have ended it sooner`);
  });
});

/** One errand's trace through the real roles, as an OpenTelemetry collector is sent it. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createHttpSink, type HttpSink } from "../support/http-sink.ts";
import { testKafka } from "../support/kafka.ts";
import { createOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from "../support/otlp-receiver.ts";
import { PATIENT_STOP_MS } from "../support/processes.ts";
import { createSmtpSink, type SmtpSink } from "../support/smtp-sink.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";

const kafka = await testKafka();
/** The caller's: every test has a trace of its own. */
const newCallersTrace = (digit: string) => ({ traceId: digit.repeat(32), spanId: digit.repeat(16) });
const SECRETS = [
  "s3cret-header",
  "s3cret-query",
  "s3cret-body",
  "s3cret-env",
  "s3cret-path",
  "s3cret-collector",
];

interface WireRun {
  id: string;
  state: string;
  traceId: string | null;
  attempts: { attempt: number; traceId?: string }[];
}

for (const transport of ["postgres", "kafka"] as const) {
  const skip = transport === "kafka" && "skip" in kafka ? kafka.skip : false;
  describe(`traces, bells by ${transport}`, { skip }, () => {
    let collector: OtlpReceiver;
    let sink: HttpSink;
    let mail: SmtpSink;
    let cluster: Cluster;

    before(async () => {
      [collector, sink, mail] = await Promise.all([createOtlpReceiver(), createHttpSink(), createSmtpSink()]);
      cluster = await startCluster({
        ...(transport === "kafka" && "brokers" in kafka ? { brokers: kafka.brokers } : {}),
        schedulers: 1,
        workers: 1,
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20s3cret-collector",
          OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
          EMAIL_URL: mail.url,
          EMAIL_FROM: "bellhop@example.com",
          BELLHOP_SECRETS_KEY: Buffer.alloc(32, 7).toString("base64"),
          LOG_LEVEL: "debug",
        },
      });
      await waitForDirectCalls(cluster.api);
    });

    after(async () => {
      await cluster?.stop();
      await Promise.all([collector?.close(), sink?.close(), mail?.close()]);
    });

    /** As a client that traces itself. */
    async function post(path: string, body: unknown, caller: { traceId: string; spanId: string }) {
      const { url, key } = cluster.api;
      const response = await fetch(`${url}${path}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          traceparent: `00-${caller.traceId}-${caller.spanId}-01`,
        },
        body: JSON.stringify(body),
      });
      return { response, body: (await response.json()) as { id: string } };
    }

    const spanOfRequest = ({ traceId }: { traceId: string }) =>
      collector.waitFor(
        (span) =>
          span.traceId === traceId && span.kind === "server" && span.resource["bellhop.role"] === "api",
      );
    const linkedTo = (cause: ReceivedSpan, name: string) => (span: ReceivedSpan) =>
      span.name === name && span.links.some(({ spanId }) => spanId === cause.spanId);
    const childOf = (parent: ReceivedSpan) => (span: ReceivedSpan) =>
      span.traceId === parent.traceId && span.parentSpanId === parent.spanId;

    async function findOnlyRun(taskId: string): Promise<WireRun> {
      const { items } = await cluster.api.call<{ items: WireRun[] }>("GET", `/v1/tasks/${taskId}/runs`);
      assert.equal(items.length, 1);
      return items[0]!;
    }

    /** The worker's line about the attempt that the span is of. */
    async function assertLogged({ traceId, spanId }: ReceivedSpan, facts: object): Promise<void> {
      const line = await cluster.workers[0]!.waitForLine(
        (text) => text.includes("attempt recorded") && text.includes(spanId),
      );
      const said = JSON.parse(line) as Record<string, unknown>;
      for (const [name, value] of Object.entries({ traceId, spanId, ...facts }))
        assert.equal(said[name], value, name);
    }

    it("a scheduled call: request, schedule, queue, attempt, outgoing request, each linked to the one before", async () => {
      const caller = newCallersTrace("a");
      const task = {
        ...{ type: "http", method: "POST", url: `${sink.url}/s3cret-path?key=s3cret-query` },
        headers: { authorization: "Bearer s3cret-header" },
        body: { text: "s3cret-body" },
        schedule: { delay: "1s" },
      };
      const { body } = await post("/v1/tasks", task, caller);

      const request = await spanOfRequest(caller);
      assert.equal(request.name, "POST /v1/tasks");
      assert.equal(request.parentSpanId, caller.spanId);
      assert.equal(request.attributes["http.response.status_code"], 201);
      assert.equal(request.attributes["bellhop.task.id"], body.id);
      assert.equal(request.resource["service.name"], "bellhop-api");
      assert.equal(request.resource["deployment.environment.name"], "test");

      const scheduled = await collector.waitFor(linkedTo(request, "schedule http"));
      assert.equal(scheduled.kind, "producer");
      assert.equal(scheduled.parentSpanId, "");
      const sent = await collector.waitFor(
        (span) => span.name.startsWith("send ") && linkedTo(scheduled, span.name)(span),
      );
      assert.equal(sent.attributes["messaging.system"], transport === "kafka" ? "kafka" : "postgresql");
      const attempt = await collector.waitFor(linkedTo(scheduled, "attempt http"));
      assert.equal(attempt.kind, "consumer");
      assert.equal(attempt.attributes["bellhop.task.id"], body.id);
      assert.equal(attempt.attributes["bellhop.run.outcome"], "succeeded");
      assert.equal(
        attempt.attributes["messaging.destination.name"],
        sent.attributes["messaging.destination.name"],
      );
      const call = await collector.waitFor(childOf(attempt));
      assert.deepEqual([call.name, call.kind], ["POST", "client"]);
      assert.equal(call.attributes["server.port"], sink.port);
      assert.equal(call.attributes["http.response.status_code"], 200);
      const [received] = await sink.waitFor(({ url }) => url.startsWith("/s3cret-path"));
      assert.equal(received!.headers["traceparent"], call.traceparent);

      const run = await findOnlyRun(body.id);
      assert.equal(run.id, attempt.attributes["bellhop.run.id"]);
      assert.equal(run.traceId, scheduled.traceId);
      assert.equal(run.attempts[0]!.traceId, attempt.traceId);
      await assertLogged(attempt, { runId: run.id, taskId: body.id, state: "succeeded" });
    });

    it("each try at a run is a trace of its own, linked to what made the run", async () => {
      const caller = newCallersTrace("b");
      sink.reply = ({ url, headers }) =>
        url === "/flaky" && headers["bellhop-attempt"] === "1" ? { status: 503 } : {};
      const retry = { backoff: { initial: "10ms", jitter: false } };
      const { body } = await post("/v1/tasks", { type: "http", url: `${sink.url}/flaky`, retry }, caller);
      const request = await spanOfRequest(caller);
      const [first, second] = await Promise.all(
        [1, 2].map((attempt) =>
          collector.waitFor(
            (span) =>
              linkedTo(request, "attempt http")(span) && span.attributes["bellhop.run.attempt"] === attempt,
          ),
        ),
      );
      assert.ok(first && second);
      assert.notEqual(first.traceId, second.traceId);
      assert.ok(first.isError && !second.isError);
      assert.equal(first.attributes["error.type"], "http_status");
      assert.equal(first.attributes["bellhop.run.outcome"], "scheduled");
      const failedCall = await collector.waitFor(childOf(first));
      assert.ok(failedCall.isError);
      assert.equal(failedCall.attributes["http.response.status_code"], 503);
      const run = await findOnlyRun(body.id);
      assert.equal(run.traceId, caller.traceId);
      assert.deepEqual(
        run.attempts.map(({ traceId }) => traceId),
        [first.traceId, second.traceId],
      );
      await assertLogged(first, { runId: run.id, attempt: 1, code: "http_status", state: "scheduled" });
    });

    it("an e-mail is a child of its attempt", async () => {
      const caller = newCallersTrace("c");
      const task = { type: "email", to: "user@example.com", subject: "s3cret-body", body: "s3cret-body" };
      await post("/v1/tasks", task, caller);
      const attempt = await collector.waitFor(linkedTo(await spanOfRequest(caller), "attempt email"));
      const send = await collector.waitFor(childOf(attempt));
      assert.deepEqual([send.name, send.kind], ["send e-mail", "client"]);
      assert.equal(send.attributes["bellhop.email.recipients"], 1);
      await mail.waitFor(({ envelope }) => envelope.to.includes("user@example.com"));
    });

    it("a call that a worker takes directly is one trace from the caller to the function's fetch", async () => {
      const caller = newCallersTrace("d");
      const source = `export default async (input, ctx) => {
        const { status } = await fetch(input.url, { method: "PUT", body: ctx.env.TOKEN });
        return status;
      }`;
      await cluster.api.call("PUT", "/v1/functions/fetches", { source });
      await cluster.api.call("PUT", "/v1/functions/fetches/secrets/TOKEN", { value: "s3cret-env" });
      const input = { url: `${sink.url}/from-function?key=s3cret-query` };
      const { response } = await post("/v1/functions/fetches/invoke", input, caller);
      assert.equal(response.status, 200);
      const runId = response.headers.get("bellhop-run-id");

      const request = await spanOfRequest(caller);
      assert.equal(request.name, "POST /v1/functions/:name/invoke");
      assert.equal(request.attributes["bellhop.run.id"], runId);
      const attempt = await collector.waitFor(childOf(request));
      assert.deepEqual([attempt.name, attempt.kind], ["attempt function", "server"]);
      assert.equal(attempt.attributes["bellhop.function.name"], "fetches");
      const call = await collector.waitFor(childOf(attempt));
      assert.deepEqual([call.name, call.kind], ["PUT", "client"]);
      const [received] = await sink.waitFor(({ url }) => url.startsWith("/from-function"));
      assert.equal(received!.body, "s3cret-env");
      assert.equal(received!.headers["traceparent"], call.traceparent);
      const run = await cluster.api.call<WireRun>("GET", `/v1/runs/${runId}`);
      assert.equal(run.traceId, caller.traceId);
      assert.equal(run.attempts[0]!.traceId, caller.traceId);
      await assertLogged(attempt, { runId, attempt: 1, state: "succeeded" });
    });

    it("a function that throws is an error of its attempt, by its code alone", async () => {
      const caller = newCallersTrace("e");
      const source = "export default () => { throw new Error('s3cret-body'); }";
      await cluster.api.call("PUT", "/v1/functions/throws", { source });
      const { response } = await post("/v1/functions/throws/invoke", null, caller);
      assert.equal(response.status, 500);
      const attempt = await collector.waitFor(childOf(await spanOfRequest(caller)));
      assert.ok(attempt.isError);
      assert.equal(attempt.attributes["error.type"], "function_error");
    });

    it("the rest is sent at the end, and in all of it no header, query, path, body, setting or message", async () => {
      const last = newCallersTrace("f");
      await post("/v1/tasks", { type: "http", url: sink.url, schedule: { delay: "1h" } }, last);
      await cluster.stop(PATIENT_STOP_MS);
      assert.ok(
        collector.spans.some(({ traceId }) => traceId === last.traceId),
        "what waited was not sent at the end",
      );
      const wire = collector.requests.map(({ body }) => body).join("\n");
      for (const secret of SECRETS) assert.ok(!wire.includes(secret), `a span holds ${secret}`);
      assert.ok(!wire.includes(cluster.api.key), "a span holds the key");
      assert.ok(
        collector.requests.every(({ headers }) => headers["authorization"] === "Bearer s3cret-collector"),
      );
      const lines = [cluster.apiProcess, ...cluster.schedulers, ...cluster.workers].flatMap(
        (role) => role.lines,
      );
      for (const secret of SECRETS)
        assert.ok(!lines.some((line) => line.includes(secret)), `a log holds ${secret}`);
      assert.ok(!collector.spans.some(({ name }) => /healthz|readyz|metrics/.test(name)));
    });
  });
}

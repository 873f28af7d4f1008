/** How runs end by their limits of time and by what their functions throw, and who is told of it, through the whole system. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { createHttpSink, type HttpSink, type SinkRequest } from "../support/http-sink.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

/** As the reference library of Standard Webhooks verifies it. */
function isSignedBy(secret: string, { headers }: SinkRequest, body: Buffer): boolean {
  try {
    new Webhook(secret).verify(body, headers as Record<string, string>);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

describe("ends that somebody is told of", () => {
  let cluster: Cluster;
  let sink: HttpSink;

  before(async () => {
    const never = Promise.withResolvers<never>();
    sink = await createHttpSink(({ url }) => (url === "/hang" ? never.promise : {}));
    const BELLHOP_SECRETS_KEY = randomBytes(32).toString("base64");
    cluster = await startCluster({
      ...{ schedulers: 1, workers: 1 },
      env: { BELLHOP_SECRETS_KEY, WORKER_DRAIN: "0s" },
    });
    await cluster.api.call("PUT", "/v1/functions/throws", {
      source: `export default (input, ctx) => {
        if (input.fatal) throw new Fatal("the order is gone");
        if (ctx.attempt === 1) throw new Retry({ after: "1s" });
        return { attempt: ctx.attempt };
      };`,
    });
  });
  after(async () => {
    await cluster?.stop();
    await sink?.close();
  });

  async function run(task: object): Promise<string> {
    return (await cluster.api.call<{ runId: string }>("POST", "/v1/tasks", task)).runId;
  }
  const ended = (id: string) =>
    eventually(
      "the run's end",
      () => cluster.api.call<WireRun>("GET", `/v1/runs/${id}`),
      ({ state }) => state === "dead" || !["queued", "running", "scheduled"].includes(state),
    );
  const codesOf = (run: WireRun) => run.attempts.map(({ error }) => error?.code ?? null);

  it("a callback is signed by every secret that is valid, as a receiver verifies it", async () => {
    const { api } = cluster;
    const list = async (method: string, path: string) =>
      (await api.call<{ items: { secret: string }[] }>(method, path)).items.map(({ secret }) => secret);
    const [first] = await list("GET", "/v1/signing-secrets");
    async function callBack(path: string): Promise<SinkRequest> {
      const on = { success: [{ type: "http", url: `${sink.url}${path}` }] };
      const runId = await run({ type: "http", url: `${sink.url}/ok`, on });
      const [request] = await sink.waitFor(({ url }) => url === path);
      const { type, data } = JSON.parse(request!.body) as { type: string; data: WireRun };
      assert.deepEqual([type, data.id, data.state], ["bellhop.run.succeeded", runId, "succeeded"]);
      const callback = await api.call<WireRun & { callbackOf: string }>(
        "GET",
        `/v1/runs/${request!.headers["webhook-id"]}`,
      );
      assert.equal(callback.callbackOf, runId);
      return request!;
    }
    const before = await callBack("/before");
    assert.ok(isSignedBy(first!, before, before.rawBody));
    const forged = Buffer.from(before.body.replace("succeeded", "failed"));
    assert.ok(!isSignedBy(first!, before, forged));
    const valid = await list("POST", "/v1/signing-secrets/rotate");
    assert.deepEqual([valid.length, valid[1]], [2, first]);
    // A worker knows of a rotation a second later.
    const rotated = await eventually(
      "a callback that is signed by the new secret",
      () => callBack(`/rotated/${randomBytes(4).toString("hex")}`),
      (request) => isSignedBy(valid[0]!, request, request.rawBody),
    );
    assert.ok(isSignedBy(first!, rotated, rotated.rawBody));
  });

  it("a run that comes too late for its ttl is not begun, and expires", async () => {
    const id = await run({ type: "http", url: `${sink.url}/late`, ttl: "1ms" });
    const late = await ended(id);
    assert.deepEqual([late.state, late.attempts.length, late.startedAt], ["expired", 0, null]);
    assert.ok(sink.requests.every(({ url }) => url !== "/late"));
    const inTime = await ended(await run({ type: "http", url: `${sink.url}/in-time`, ttl: "1h" }));
    assert.equal(inTime.state, "succeeded");
  });

  it("a deadline stops the attempt that is under way, and leaves no other", async () => {
    const id = await run({ type: "http", url: `${sink.url}/hang`, timeout: "5m", deadline: "5s" });
    const over = await ended(id);
    assert.deepEqual([over.state, over.error?.code], ["dead", "deadline_exceeded"]);
    assert.deepEqual(codesOf(over), ["deadline_exceeded"]);
  });

  it("a function that throws Retry is tried again after as long as it says, one that throws Fatal never", async () => {
    const retry = { maxAttempts: 5, backoff: { initial: "1h", jitter: false } };
    const task = { type: "function", function: "throws", retry };
    const again = await ended(await run({ ...task, input: {} }));
    assert.deepEqual([again.state, again.result], ["succeeded", { attempt: 2 }]);
    assert.deepEqual(codesOf(again), ["function_retry", null]);
    const [first, second] = again.attempts as unknown as { startedAt: string; finishedAt: string }[];
    assert.ok(Date.parse(second!.startedAt) - Date.parse(first!.finishedAt) >= 950);
    const fatal = await ended(await run({ ...task, input: { fatal: true } }));
    assert.deepEqual([fatal.state, fatal.error?.code], ["dead", "function_fatal"]);
    assert.match(fatal.error!.message, /the order is gone/);
    assert.deepEqual(codesOf(fatal), ["function_fatal"]);
  });
});

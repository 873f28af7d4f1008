/** Invocations and hooks that are tried more than once, through the whole system. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

/** Fails until its last attempt, and says what it was given in each. */
const SOURCE = `export default {
  async fetch(request, env, ctx) {
    const body = await request.text();
    if (ctx.attempt < 3) throw new Error("not yet: " + body);
    return new Response(body + " " + request.headers.get("x-signature"));
  },
};`;
const PLAIN = `export default (input, ctx) => {
  if (ctx.attempt < input.succeedsAt) throw new Error("not yet");
  return { attempt: ctx.attempt, token: input.token };
};`;
const TOKEN = "a-secret-of-the-function";

describe("a call that may be tried more than once", () => {
  let cluster: Cluster;

  before(async () => {
    const BELLHOP_SECRETS_KEY = randomBytes(32).toString("base64");
    cluster = await startCluster({ schedulers: 1, workers: 1, env: { BELLHOP_SECRETS_KEY } });
    await waitForDirectCalls(cluster.api);
    await cluster.api.call("PUT", "/v1/functions/plain", { source: PLAIN });
  });
  after(() => cluster?.stop());

  type Run = WireRun & { input: unknown };
  const runWhen = (id: string, isIt: (run: Run) => boolean) =>
    eventually("the run", () => cluster.api.call<Run>("GET", `/v1/runs/${id}`), isIt);
  const ended = (id: string) => runWhen(id, ({ finishedAt }) => finishedAt !== null);
  const invoke = (query: string, input: object, headers = {}) =>
    fetch(`${cluster.api.url}/v1/functions/plain/invoke${query}`, {
      ...{ method: "POST", body: JSON.stringify(input) },
      headers: { authorization: `Bearer ${cluster.api.key}`, ...headers },
    });

  it("answers its caller with what the last attempt returned", async () => {
    const answer = await invoke("?maxAttempts=2", { succeedsAt: 2 });
    assert.deepEqual([answer.status, await answer.json()], [200, { attempt: 2 }]);
    const run = await ended(answer.headers.get("bellhop-run-id")!);
    assert.deepEqual(
      run.attempts.map(({ error }) => error?.code ?? null),
      ["function_error", null],
    );
  });

  it("fails once its attempts are used up, and is no dead letter; without a number after the first", async () => {
    for (const [query, attempts] of [
      ["?maxAttempts=2", 2],
      ["", 1],
    ] as const) {
      const answer = await invoke(query, { succeedsAt: 9 });
      assert.equal(answer.status, 500);
      await answer.text();
      const run = await ended(answer.headers.get("bellhop-run-id")!);
      assert.deepEqual([run.state, run.attempts.length], ["failed", attempts]);
    }
  });

  it("gets the same input each time, and shows none of the function's secrets between them", async () => {
    await cluster.api.call("PUT", "/v1/functions/plain/secrets/TOKEN", { value: TOKEN });
    const answer = await invoke(
      "?maxAttempts=2",
      { succeedsAt: 2, token: TOKEN },
      { prefer: "respond-async" },
    );
    const { runId } = (await answer.json()) as { runId: string };
    const waiting = await runWhen(runId, ({ attempts }) => attempts.length > 0);
    assert.ok(!JSON.stringify(waiting).includes(TOKEN));
    const run = await ended(runId);
    assert.deepEqual(
      [run.state, run.result, run.input],
      ["succeeded", { attempt: 2, token: "[redacted TOKEN]" }, { succeedsAt: 2, token: "[redacted TOKEN]" }],
    );
  });

  it("is a hook's request too, headers and body in each attempt", async () => {
    await cluster.api.call("PUT", "/v1/functions/receive", { source: SOURCE });
    const hook = await cluster.api.call<{ url: string }>("POST", "/v1/functions/receive/hooks", {
      maxAttempts: 3,
    });
    const sent = await fetch(`${cluster.api.url}${hook.url}`, {
      ...{ method: "POST", body: "order 7", headers: { "x-signature": "abc" } },
    });
    const run = await ended(((await sent.json()) as { runId: string }).runId);
    assert.deepEqual(
      run.attempts.map(({ error }) => error?.message ?? null),
      ["not yet: order 7", "not yet: order 7", null],
    );
    assert.deepEqual([run.state, (run.result as { body: string }).body], ["succeeded", "order 7 abc"]);
  });
});

/** Replays through a real API and a real worker: what the new run is given, and which revision it runs on. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { createHttpSink } from "../support/http-sink.ts";
import { type Cluster, startCluster, waitForDirectCalls } from "./cluster.ts";
import { eventually, type WireRun } from "./runs.ts";

interface ReplayedRun extends WireRun {
  replayOf: string | null;
  revision: string;
  input: unknown;
}

const TOKEN = "a-secret-of-the-function";

describe("a replay", () => {
  let cluster: Cluster;

  before(async () => {
    const BELLHOP_SECRETS_KEY = randomBytes(32).toString("base64");
    cluster = await startCluster({ schedulers: 0, workers: 1, env: { BELLHOP_SECRETS_KEY } });
    await waitForDirectCalls(cluster.api);
  });
  after(() => cluster?.stop());

  const call = <T = ReplayedRun>(method: string, path: string, body?: unknown) =>
    cluster.api.call<T>(method, path, body);
  const deploy = async (name: string, source: string, env: object = {}) =>
    (await call<{ revision: { id: string } }>("PUT", `/v1/functions/${name}`, { source, ...env })).revision
      .id;
  const ended = (id: string) =>
    eventually(
      "an end",
      () => call("GET", `/v1/runs/${id}`),
      ({ finishedAt }) => finishedAt !== null,
    );
  const replay = async (id: string, body: object = {}) =>
    await ended((await call("POST", `/v1/runs/${id}/replay`, body)).id);

  async function invoke(name: string, input: unknown): Promise<ReplayedRun> {
    const answer = await fetch(`${cluster.api.url}/v1/functions/${name}/invoke`, {
      method: "POST",
      headers: { authorization: `Bearer ${cluster.api.key}` },
      body: JSON.stringify(input),
    });
    await answer.text();
    return await ended(answer.headers.get("bellhop-run-id")!);
  }

  it("of a failed hook's request runs it again with its headers and body, on the same or the current revision", async () => {
    const broken = await deploy("receive", "export default { fetch() { throw new Error('broken'); } };");
    const hook = await call<{ url: string }>("POST", "/v1/functions/receive/hooks", {});
    const hooked = await fetch(`${cluster.api.url}${hook.url}?a=b`, {
      ...{ method: "POST", body: '{"order":7}', headers: { "x-signature": "abc", "content-type": "text/x" } },
    });
    const { runId } = (await hooked.json()) as { runId: string };
    const failed = await ended(runId);
    assert.deepEqual([failed.state, failed.revision, failed.replayOf], ["failed", broken, null]);
    const mended = await deploy(
      "receive",
      `export default { fetch: async (request) => Response.json({
        signature: request.headers.get("x-signature"), type: request.headers.get("content-type"),
        query: new URL(request.url).search, body: await request.text() }) };`,
    );
    const same = await replay(runId, { revision: "same" });
    assert.deepEqual([same.state, same.revision, same.replayOf], ["failed", broken, runId]);
    const current = await replay(runId);
    assert.deepEqual([current.state, current.revision, current.replayOf], ["succeeded", mended, runId]);
    const sent = { signature: "abc", type: "text/x", query: "?a=b", body: '{"order":7}' };
    assert.deepEqual(JSON.parse((current.result as { body: string }).body), sent);
    const edited = await replay(same.id, { input: { order: 8 } });
    assert.deepEqual(JSON.parse((edited.result as { body: string }).body), {
      ...sent,
      ...{ type: "application/json", body: '{"order":8}' },
    });
  });

  it("of a failed invocation gives it what it was given, also where its secrets are not shown", async () => {
    const source =
      "export default (input) => { throw new Error(JSON.stringify(input).length + ' characters'); }";
    await deploy("fails", source);
    await call("PUT", "/v1/functions/fails/secrets/TOKEN", { value: TOKEN });
    for (const input of [{ a: 1 }, { token: TOKEN }, { long: "x".repeat(100_000) }]) {
      const run = await invoke("fails", input);
      assert.equal(run.state, "failed");
      assert.ok(!JSON.stringify(run).includes(TOKEN));
      const again = await replay(run.id);
      assert.deepEqual([again.state, again.error?.message], ["failed", run.error?.message]);
      assert.ok(!JSON.stringify(again).includes(TOKEN));
      const edited = await replay(run.id, { input: "ab" });
      assert.equal(edited.error?.message, "4 characters");
    }
  });

  it("of a dead http task sends the body that is given", async () => {
    const sink = await createHttpSink();
    try {
      sink.reply = ({ body }) => ({ status: body.includes("9007199254740993") ? 200 : 400 });
      const task = await call("POST", "/v1/tasks", {
        ...{ type: "http", url: `${sink.url}/orders`, method: "POST", body: { order: 1 } },
      });
      const { runId } = task as unknown as { runId: string };
      assert.equal((await ended(runId)).state, "dead");
      const text = '{"order":9007199254740993}';
      const answer = await fetch(`${cluster.api.url}/v1/runs/${runId}/replay`, {
        ...{ method: "POST", body: `{"input":${text}}` },
        headers: { authorization: `Bearer ${cluster.api.key}` },
      });
      const again = await ended(((await answer.json()) as ReplayedRun).id);
      assert.deepEqual([again.state, again.taskId], ["succeeded", task.id]);
      assert.equal(sink.requests.at(-1)?.body, text);
      assert.equal((await replay(runId)).state, "dead", "the task's own");
    } finally {
      await sink.close();
    }
  });
});

/** What is told of a call that failed: to its caller, in its run and in its log, whether a worker took it directly or it was queued. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Cluster, startCluster } from "./cluster.ts";
import type { Listed, WireRun } from "./runs.ts";

const WAYS = {
  directly: {},
  "in the queue": { "idempotency-key": "once" },
};
type Way = keyof typeof WAYS;

interface Failure {
  status: number;
  problem: { code: string; detail: string; runId: string };
  headers: Headers;
}

interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

describe("a failed call", () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ schedulers: 0, workers: 1 });
  });
  after(() => cluster?.stop());

  async function deploy(name: string, source: string): Promise<void> {
    await cluster.api.call("PUT", `/v1/functions/${name}`, { source, public: true });
  }

  async function fail(path: string, headers: Record<string, string> = {}): Promise<Failure> {
    const { url, key } = cluster.api;
    const answer = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, ...headers },
    });
    return {
      status: answer.status,
      problem: (await answer.json()) as Failure["problem"],
      headers: answer.headers,
    };
  }

  const runOf = (runId: string) => cluster.api.call<WireRun>("GET", `/v1/runs/${runId}`);
  const linesOf = async (path: string) => (await cluster.api.call<Listed<Line>>("GET", path)).items;

  for (const way of Object.keys(WAYS) as Way[]) {
    it(`names its run, and leaves a line at level error: ${way}`, async () => {
      const name = `throws-${way.replaceAll(" ", "-")}`;
      await deploy(
        name,
        `export default () => { throw new Error("not saved", { cause: new TypeError("refused") }); };`,
      );
      const { status, problem, headers } = await fail(`/v1/functions/${name}/invoke`, WAYS[way]);
      assert.deepEqual([status, problem.code, problem.detail], [500, "function_error", "not saved"]);
      assert.equal(problem.runId, headers.get("bellhop-run-id"));
      const run = await runOf(problem.runId);
      assert.equal(run.state, "failed");
      const { causes } = (run.error as unknown as { details: { causes: { message: string }[] } }).details;
      assert.deepEqual(
        causes.map(({ message }) => message),
        ["refused"],
      );
      for (const path of [`/v1/runs/${run.id}/logs`, `/v1/functions/${name}/logs`]) {
        const [line, ...more] = await linesOf(`${path}?level=error`);
        assert.deepEqual(more, []);
        assert.match(
          line!.message,
          /^Error: not saved\n {4}at default \(index\.ts:1:\d+\)\nCaused by: TypeError: refused\n/,
        );
        assert.deepEqual(line!.fields, { code: "function_error" });
      }
    });

    it(`whose result is nested too deeply is told as its run says: ${way}`, async () => {
      const name = `deep-${way.replaceAll(" ", "-")}`;
      await deploy(
        name,
        `export default () => { let deep = []; for (let i = 0; i < 5_000; i++) deep = [deep]; return deep; };`,
      );
      const { status, problem } = await fail(`/v1/functions/${name}/invoke`, WAYS[way]);
      assert.deepEqual([status, problem.code], [500, "unrecordable_result"]);
      const run = await runOf(problem.runId);
      assert.deepEqual([run.state, run.error?.code], ["failed", "unrecordable_result"]);
      assert.equal((await linesOf(`/v1/runs/${run.id}/logs?level=error`)).length, 1);
    });

    it(`whose result or error holds U+0000 is told as its run says: ${way}`, async () => {
      const name = `zero-${way.replaceAll(" ", "-")}`;
      await deploy(name, `export default () => ({ a: ["x", "a\\u0000b"] });`);
      const refused = await fail(`/v1/functions/${name}/invoke`, WAYS[way]);
      assert.deepEqual([refused.status, refused.problem.code], [500, "unrecordable_result"]);
      assert.match(refused.problem.detail, /^The result at "a\.1" holds text with U\+0000/);
      assert.equal((await runOf(refused.problem.runId)).error?.message, refused.problem.detail);
      await deploy(
        `${name}-thrown`,
        `export default () => { console.log("l\\u0000g"); throw new Error("a\\u0000b"); };`,
      );
      const thrown = await fail(`/v1/functions/${name}-thrown/invoke`, WAYS[way]);
      assert.equal(thrown.problem.detail, "a\ufffdb");
      const run = await runOf(thrown.problem.runId);
      assert.equal(run.error?.message, "a\ufffdb");
      const messages = (await linesOf(`/v1/runs/${run.id}/logs`)).map(({ message }) => message);
      assert.equal(messages[0], "l\ufffdg");
    });
  }

  it("of a function's URL names its run as well, and tells the public no more", async () => {
    await deploy("site", `export default { fetch() { throw new Error("for the author"); } };`);
    const { status, problem, headers } = await fail("/fn/default/site");
    assert.equal(status, 500);
    assert.equal(problem.runId, headers.get("bellhop-run-id"));
    assert.ok(!problem.detail.includes("for the author"));
    assert.equal((await runOf(problem.runId)).error?.message, "for the author");
  });
});

it("a rejection that nobody handles is a line of the log of a call that succeeded", async () => {
  const cluster = await startCluster({ schedulers: 0, workers: 1 });
  try {
    const source = `async function save() { throw new Error("x"); }
export default async () => { save(); return "ok"; };`;
    await cluster.api.call("PUT", "/v1/functions/saves", { source });
    assert.equal(await cluster.api.call("POST", "/v1/functions/saves/invoke"), "ok");
    const { items } = await cluster.api.call<Listed<Line>>("GET", "/v1/functions/saves/logs?level=error");
    assert.deepEqual(
      items.map(({ message }) => message),
      ["Unhandled rejection: Error: x\n    at save (index.ts:1:31)\n    at default (index.ts:2:30)"],
    );
  } finally {
    await cluster.stop();
  }
});

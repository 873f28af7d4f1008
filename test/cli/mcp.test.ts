/** The MCP server against real roles, by the SDK's own client: over HTTP, and by `bellhop mcp` on stdin and stdout. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { until } from "../../core/store/testing/test-store.ts";
import { type Cluster, startCluster } from "../system/cluster.ts";
import { buildProgram, createUser, PROGRAM, type User } from "./program.ts";

const WRONG_KEY = "bh_0000000000000000";
const SOURCE = `
export default (input, ctx) => {
  ctx.log.info("greeting " + input.name);
  if (input.name === "nobody") throw new Fatal("there is nobody to greet");
  return { hello: input.name };
};`;

/** The SDK's own minute is short for a first call on a machine that has much else to do. */
const PATIENCE = { timeout: 300_000 };

type Transport = Parameters<Client["connect"]>[0];

let cluster: Cluster;
let user: User;
let readerKey: string;

before(async () => {
  await buildProgram();
  cluster = await startCluster({ schedulers: 1, workers: 1 });
  user = await createUser({ BELLHOP_URL: cluster.api.url });
  const reader = { name: "reader", scopes: ["read"] };
  readerKey = (await cluster.api.call<{ key: string }>("POST", "/v1/keys", reader)).key;
});
after(async () => {
  await cluster?.stop();
  await user?.leave();
});

const TRANSPORTS: Record<string, (key: string) => unknown> = {
  "over HTTP": (key) =>
    new StreamableHTTPClientTransport(new URL(`${cluster.api.url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${key}` } },
    }),
  "by stdio": (key) =>
    new StdioClientTransport({
      ...{ command: process.execPath, args: [PROGRAM, "mcp"], stderr: "ignore" },
      env: { ...user.env, BELLHOP_API_KEY: key },
    }),
};

/** Runs with a client that is closed afterwards, whatever comes. */
async function withClient(transport: unknown, use: (tools: Tools, client: Client) => Promise<void>) {
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport as Transport, PATIENCE);
  try {
    await use(new Tools(client), client);
  } finally {
    await client.close();
  }
}

class Tools {
  readonly client: Client;
  constructor(client: Client) {
    this.client = client;
  }
  async call(name: string, given: Record<string, unknown> = {}) {
    const { content, isError = false } = await this.client.callTool(
      { name, arguments: given },
      undefined,
      PATIENCE,
    );
    return { isError, texts: (content as { text: string }[]).map(({ text }) => text) };
  }
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests check
  async read(name: string, given: Record<string, unknown> = {}): Promise<any> {
    const { isError, texts } = await this.call(name, given);
    assert.equal(isError, false, texts.join("\n"));
    return JSON.parse(texts[0]!);
  }
}

for (const [how, open] of Object.entries(TRANSPORTS)) {
  test(`${how}: a function is deployed, called, scheduled, run, and its error found`, async () => {
    await withClient(open(cluster.api.key), async (tools, client) => {
      assert.equal(client.getServerVersion()?.title, "Bellhop");
      assert.ok((await client.listTools()).tools.length > 25);
      const name = how === "by stdio" ? "greet-stdio" : "greet-http";
      await tools.read("deploy_function", { name, source: SOURCE });
      const called = await tools.call("invoke_function", { name, input: { name: "Ada" } });
      assert.deepEqual(JSON.parse(called.texts[0]!), { hello: "Ada" });
      assert.match(called.texts[1]!, /^Run: [\w-]{36}$/);

      const schedule = { cron: "30 2 * * *", timezone: "Europe/Rome" };
      const task = await tools.read("create_task", {
        ...{ type: "function", function: name, key: `nightly:${name}`, schedule, input: { name: "nobody" } },
      });
      assert.equal((await tools.read("get_task", { id: task.key })).id, task.id);
      const well = await tools.read("run_task", { id: task.id, input: { name: "Bob" } });
      const badly = await tools.read("run_task", { id: task.id });
      const ended = (id: string) =>
        until(async () => {
          const run = await tools.read("get_run", { id });
          return ["succeeded", "failed", "dead"].includes(run.state) ? run : undefined;
        });
      assert.deepEqual((await ended(well.id)).result, { hello: "Bob" });
      const { error, state } = await ended(badly.id);
      assert.deepEqual([state, error.code], ["dead", "function_fatal"]);
      const log = await tools.read("read_run_log", { id: badly.id });
      assert.match(log.items[0].message, /greeting nobody/);
      // It is grouped after the run has ended.
      const grouped = await until(async () => {
        const { items } = await tools.read("list_errors", { function: name });
        return items.length > 0 ? items : undefined;
      });
      assert.match(JSON.stringify(grouped), /there is nobody to greet/);
    });
  });

  test(`${how}: a key without the scope is refused by name`, async () => {
    await withClient(open(readerKey), async (tools) => {
      assert.deepEqual((await tools.read("who_am_i")).scopes, ["read"]);
      const { isError, texts } = await tools.call("deploy_function", { name: "mine", source: SOURCE });
      assert.ok(isError);
      assert.match(texts[0]!, /^This key lacks the scope deploy\. \(forbidden\)\n/);
    });
  });
}

test("over HTTP: a wrong key is a 401; a change is told of with the caller's address", async () => {
  const { status } = await fetch(`${cluster.api.url}/mcp`, {
    ...{ method: "POST", headers: { authorization: `Bearer ${WRONG_KEY}` } },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  assert.equal(status, 401);
  await withClient(TRANSPORTS["over HTTP"]!(cluster.api.key), async (tools) => {
    await tools.read("deploy_function", { name: "told", source: SOURCE });
  });
  type Audit = { items: { resource: string; actor: { address: string } }[] };
  const { items } = await cluster.api.call<Audit>("GET", "/v1/audit?resource=functions/told");
  assert.deepEqual(
    items.map(({ actor }) => actor.address),
    ["127.0.0.1"],
  );
});

test("by stdio: with a wrong key the client is told what to do, and stdout holds messages alone", async () => {
  const input = '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\nnonsense\n';
  const { code, stdout } = await user.run(["mcp"], { env: { BELLHOP_API_KEY: WRONG_KEY }, input });
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { id: number | null; error: { message: string } });
  const messages = new Map(answers.map(({ id, error }) => [id, error.message]));
  assert.equal(code, 0);
  assert.match(messages.get(1)!, /unknown, expired or revoked\..*bellhop login/);
  assert.equal(messages.get(null), "This line is not JSON.");
});

/** `/mcp` as the SDK's own client has it, and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";
import { MAX_RESULT_CHARACTERS } from "./to-result.ts";
import { TOOLS } from "./tools.ts";

const PAGE = "https://app.example.com";
const api = await openApi({ corsOrigins: [PAGE] });
const SECRET = "a secret value that nobody shows";
const SOURCE = "export default (input) => ({ hello: input.name });";
const TASK = { type: "http", url: "https://example.com/", schedule: { every: "1h" } };

/** The SDK's own minute is short for a first deploy on a machine that has much else to do. */
const PATIENCE = { timeout: 300_000 };

interface ToolAnswer {
  isError: boolean;
  text: string;
  /** The first part, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: an answer's shape is what the tests check
  json(): any;
}

interface Connected {
  client: Client;
  call(name: string, given?: Record<string, unknown>): Promise<ToolAnswer>;
}

async function connect(key: string | undefined, more: Record<string, string> = {}): Promise<Connected> {
  const headers = { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...more };
  const transport = new StreamableHTTPClientTransport(new URL("http://127.0.0.1/mcp"), {
    requestInit: { headers },
    fetch: async (url, init) => await api.app.request(String(url), init),
  });
  const client = new Client({ name: "test", version: "1" });
  // See answer-message.ts.
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  return {
    client,
    async call(name, given = {}) {
      const { content, isError = false } = await client.callTool(
        { name, arguments: given },
        undefined,
        PATIENCE,
      );
      const texts = (content as { text: string }[]).map(({ text }) => text);
      return { isError: isError === true, text: texts.join("\n"), json: () => JSON.parse(texts[0]!) };
    },
  };
}

const post = (caller: TestCaller, body: string, headers: Record<string, string> = {}) =>
  caller.call("POST", "/mcp", { body, headers });
const LIST = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });

test("a client finds the tools, each with what it takes and what it does", async () => {
  const tenant = await api.newTenant();
  const { client } = await connect(tenant.key);
  assert.equal(client.getServerVersion()?.name, "bellhop");
  assert.match(client.getInstructions() ?? "", /list_errors/);
  const { tools } = await client.listTools();
  assert.deepEqual(
    tools.map(({ name }) => name),
    TOOLS.map(({ name }) => name),
  );
  for (const { name, description, inputSchema, annotations } of tools) {
    assert.match(name, /^[a-z]+(_[a-z]+)*$/);
    assert.match(description!, /\. (Needs a key with the scope \w+|Any key will do)\.$/, name);
    assert.equal(inputSchema.type, "object", name);
    for (const required of inputSchema.required ?? []) assert.ok(inputSchema.properties![required], name);
    if (annotations!.readOnlyHint) assert.equal(annotations!.destructiveHint, false, name);
  }
  assert.ok(JSON.stringify(tools).length < 50_000);
});

test("what a task may be is one set of arguments, and says which type has which", async () => {
  const tenant = await api.newTenant();
  const { client } = await connect(tenant.key);
  const { tools } = await client.listTools();
  const { properties = {}, required } = tools.find(({ name }) => name === "create_task")!.inputSchema;
  type Described = { enum?: string[]; description?: string };
  const field = (name: string) => properties[name] as Described;
  assert.deepEqual(required, ["type"]);
  assert.deepEqual(field("type").enum, ["http", "email", "function"]);
  assert.match(field("url").description!, /^For http \(required\)\./);
  assert.match(field("input").description!, /^For function\./);
  assert.match(field("idempotencyKey").description!, /same key/);
});

test("a function is deployed, a task made, run, and read with its log and its error", async () => {
  const tenant = await api.newTenant();
  const { call } = await connect(tenant.key);
  const deployed = await call("deploy_function", { name: "greet", source: SOURCE });
  assert.equal(deployed.json().deployed.number, 1);
  const { json } = await call("create_task", {
    type: "function",
    function: "greet",
    schedule: { every: "1h" },
  });
  const taskId = json().id;
  const { id: runId } = (await call("run_task", { id: taskId, input: { name: "Ada" } })).json();
  await api.work(runId, { state: "dead", error: { code: "function_error", message: "Error: no luck" } });
  const run = (await call("get_run", { id: runId })).json();
  assert.deepEqual([run.taskId, run.state, run.error.code], [taskId, "dead", "function_error"]);
  assert.equal(
    (await call("list_runs", { state: ["queued", "scheduled", "dead"], taskId })).json().items.length,
    1,
  );
  assert.deepEqual((await call("read_run_log", { id: runId })).json().items, []);
  assert.equal((await call("get_task", { id: taskId })).json().id, taskId);
});

test("a key without the scope is told which one it lacks, and nothing changes", async () => {
  const tenant = await api.newTenant();
  const { call } = await connect((await api.newCaller(tenant.namespaceId, ["read"])).key);
  const before = await api.countRows();
  for (const [name, given, scope] of [
    ["deploy_function", { name: "greet", source: SOURCE }, "deploy"],
    ["create_task", TASK, "write"],
    ["run_task", { id: "nothing" }, "invoke"],
  ] as const) {
    const { isError, text } = await call(name, given);
    assert.ok(isError);
    assert.match(text, new RegExp(`This key lacks the scope ${scope}\\. \\(forbidden\\)`));
  }
  assert.deepEqual(await api.countRows(), before);
  assert.equal((await call("list_tasks")).isError, false);
});

test("without a key, or with a wrong one, it is a 401 of HTTP", async () => {
  for (const caller of [api.anonymous, api.withKey("bh_0000000000000000")])
    assertProblem(await post(caller, LIST), 401, "unauthenticated");
  await assert.rejects(connect("bh_0000000000000000"), /unauthenticated|401|Unauthorized/);
});

test("what is wrong with the arguments is told by field, and what to do about it", async () => {
  const tenant = await api.newTenant();
  const { client, call } = await connect(tenant.key);
  const refuse = async (name: string, given: Record<string, unknown>, says: RegExp) => {
    const { isError, text } = await call(name, given);
    assert.ok(isError, name);
    assert.match(text, says);
  };
  await refuse("create_task", { ...TASK, schedul: "x" }, /schedul: unknown field.*\(invalid_input\)/);
  await refuse("create_task", { ...TASK, schedule: { cron: "61 * * * *" } }, /schedule\.cron: /);
  await refuse("list_tasks", { state: ["gone"] }, /^state: must be one of/);
  await refuse("get_task", { id: "x", more: 1 }, /more: unknown field/);
  await refuse("get_task", {}, /id: is missing/);
  await refuse("get_task", { id: {} }, /id: must be text/);
  await refuse("change_task", { id: "x" }, /changes: is missing/);
  await refuse("get_task", { id: "no-such-task" }, /\(not_found\)/);
  await refuse(
    "deploy_function",
    { name: "broken", source: "export default (" },
    /\(build_failed\)[\s\S]*source/,
  );
  await refuse("read_function_log", { name: "greet", follow: "true" }, /follow: unknown field/);
  await refuse("run_task", { id: "x", idempotencyKey: "a\nb" }, /idempotencyKey: must be printable/);
  await assert.rejects(
    client.callTool({ name: "delete_everything" }),
    /There is no tool "delete_everything"/,
  );
});

test("no argument leads out of its place in the path", async () => {
  const tenant = await api.newTenant();
  const { call } = await connect(tenant.key);
  for (const id of [
    "..",
    ".",
    "",
    "../whoami",
    "%2e%2e",
    "a?limit=1",
    "a#b",
    "\0",
    "\ud800",
    "a".repeat(20_000),
  ]) {
    const { isError, text } = await call("get_task", { id });
    assert.ok(isError, JSON.stringify(id));
    assert.match(text, /\((not_found|invalid_input)\)/);
    assert.ok(text.length < 500);
  }
});

test("with the same idempotency key a task is made once", async () => {
  const tenant = await api.newTenant();
  const { call } = await connect(tenant.key);
  const given = { ...TASK, idempotencyKey: "once" };
  const [first, second] = [await call("create_task", given), await call("create_task", given)];
  assert.equal(first.json().id, second.json().id);
  assert.equal((await call("list_tasks")).json().items.length, 1);
});

test("the audit log names the caller's key, and an operator acts in the namespace that he names", async () => {
  const tenant = await api.newTenant();
  const { namespace } = (await tenant.call("GET", "/v1/whoami")).body;
  const made = (await tenant.call("POST", "/v1/keys", { body: { name: "agent", scopes: ["deploy"] } })).body;
  const agent = await connect(made.key);
  assert.equal((await agent.call("deploy_function", { name: "greet", source: SOURCE })).isError, false);
  const [entry] = (await tenant.call("GET", "/v1/audit?limit=1")).body.items;
  assert.deepEqual([entry.action, entry.actor.keyId], ["deployFunction", made.id]);
  const operator = await connect(api.operator.key, { "bellhop-namespace": namespace });
  assert.equal((await operator.call("who_am_i")).json().namespace, namespace);
  assert.equal((await operator.call("list_functions")).json().items[0].name, "greet");
});

test("no tool shows a secret's value", async () => {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/secrets/API_KEY", { body: { value: SECRET } });
  const { client, call } = await connect(tenant.key);
  const { text } = await call("list_secret_names");
  assert.match(text, /API_KEY/);
  const operations = TOOLS.map(({ operationId }) => operationId);
  assert.ok(!operations.some((id) => /SigningSecrets|createKey|rotateKey|putSecret|Hook/i.test(id)));
  const { tools } = await client.listTools();
  for (const { name, inputSchema, annotations } of tools)
    if (annotations!.readOnlyHint && (inputSchema.required ?? []).length === 0 && name !== "preview_schedule")
      assert.doesNotMatch((await call(name)).text, new RegExp(SECRET), name);
});

test("a long answer is cut, and says so; pages lead through a list", async () => {
  const tenant = await api.newTenant();
  const { call } = await connect(tenant.key);
  const long = `export default () => 1; /* ${"é".repeat(MAX_RESULT_CHARACTERS)} */`;
  await call("deploy_function", { name: "long", source: long });
  const cut = await call("read_revision", { name: "long", revision: 1, source: true });
  assert.match(cut.text, /was truncated\. Ask for less/);
  assert.ok(cut.text.length < MAX_RESULT_CHARACTERS + 500);
  for (const key of ["a", "b"]) await call("create_task", { ...TASK, key });
  const first = (await call("list_tasks", { limit: 1 })).json();
  const second = (await call("list_tasks", { limit: 1, cursor: first.nextCursor })).json();
  assert.deepEqual([first.items[0].key, second.items[0].key], ["b", "a"]);
});

test("a page of another origin is refused, the operator's is not", async () => {
  const tenant = await api.newTenant();
  assertProblem(await post(tenant, LIST, { origin: "https://evil.example" }), 403, "forbidden");
  assertProblem(await post(tenant, LIST, { origin: "null" }), 403, "forbidden");
  const allowed = await post(tenant, LIST, { origin: PAGE });
  assert.equal(allowed.status, 200);
  assert.equal(allowed.headers.get("access-control-allow-origin"), PAGE);
  const asked = { origin: PAGE, "access-control-request-method": "POST" };
  const preflight = await api.anonymous.call("OPTIONS", "/mcp", { headers: asked });
  assert.match(preflight.headers.get("access-control-allow-headers")!, /mcp-protocol-version/);
});

test("what is no message of the protocol is a 400, and there is nothing to listen to", async () => {
  const tenant = await api.newTenant();
  assertProblem(await post(tenant, "{"), 400, "invalid_json");
  assertProblem(await post(tenant, "{}"), 400, "bad_request");
  assertProblem(await post(tenant, `[${LIST}]`), 400, "bad_request");
  assertProblem(await post(tenant, LIST, { "mcp-protocol-version": "1999-01-01" }), 400, "bad_request");
  const note = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
  assert.equal((await post(tenant, note)).status, 202);
  for (const method of ["GET", "DELETE"])
    assertProblem(await tenant.call(method, "/mcp"), 405, "method_not_allowed");
  const answer = await post(tenant, LIST);
  assert.equal(answer.headers.get("set-cookie"), null);
  assert.equal(answer.headers.get("mcp-session-id"), null);
});

test("a namespace's rate of requests holds for messages too", async () => {
  const tenant = await api.newTenant();
  const { namespace } = (await tenant.call("GET", "/v1/whoami")).body;
  const { key } = (await tenant.call("POST", "/v1/keys", { body: { name: "agent", scopes: ["read"] } })).body;
  const limits = { requests: { limit: 3, per: "1h" } };
  const set = await api.operator.call("PUT", `/v1/namespaces/${namespace}/limits`, { body: limits });
  assert.equal(set.status, 200, JSON.stringify(set.body));
  const agent = api.withKey(key);
  const who = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "who_am_i" } });
  assert.equal((await post(agent, who)).body.result.isError, undefined);
  const { result } = (await post(agent, who)).body;
  assert.match(result.content[0].text, /\(rate_limited\)[\s\S]*Try again in \d+ s\./);
  assertProblem(await post(agent, LIST), 429, "rate_limited");
});

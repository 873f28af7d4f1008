/** Which lines of a function's log are shown, and which are refused to be asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { line } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const LOGS = "/v1/functions/greet/logs";

async function deploy(tenant: TestCaller, value: number): Promise<void> {
  const body = { source: `export default () => ${value};` };
  assert.equal((await tenant.call("PUT", "/v1/functions/greet", { body })).status, 201);
}

async function log(tenant: TestCaller, lines: ReturnType<typeof line>[]): Promise<string> {
  const headers = { prefer: "respond-async" };
  const { body } = await tenant.call("POST", "/v1/functions/greet/invoke", { headers });
  await api.work(body.runId, { state: "succeeded", result: null }, lines);
  return body.runId;
}

async function shown(tenant: TestCaller, query: Record<string, string>): Promise<string[]> {
  const answer = await tenant.call("GET", `${LOGS}?${new URLSearchParams(query)}`);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body.items.map(({ message }: { message: string }) => message);
}

test("lines are found by level, text, revision, run and time, newest first", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1);
  const early = new Date(Date.now() - 60_000);
  const first = await log(tenant, [
    line("counting 100%", { level: "debug", at: early }),
    line("greeting", { level: "info", fields: { name: "Ada Lovelace" } }),
  ]);
  await deploy(tenant, 2);
  await log(tenant, [line("slow", { level: "warn" }), line("BROKEN pipe", { level: "error" })]);
  const all = ["BROKEN pipe", "slow", "greeting", "counting 100%"];
  for (const [query, messages] of [
    [{}, all],
    [{ level: "", q: "", run: "", since: "" }, all],
    [{ level: "debug" }, all],
    [{ level: "warn" }, ["BROKEN pipe", "slow"]],
    [{ level: "error" }, ["BROKEN pipe"]],
    [{ q: "broken PIPE" }, ["BROKEN pipe"]],
    [{ q: "lovelace" }, ["greeting"]],
    [{ q: "0%" }, ["counting 100%"]],
    [{ q: "_" }, []],
    [{ revision: "1" }, ["greeting", "counting 100%"]],
    [{ run: first }, ["greeting", "counting 100%"]],
    [{ run: first, level: "info" }, ["greeting"]],
    [{ since: "30s" }, ["BROKEN pipe", "slow", "greeting"]],
    [{ until: "30s" }, ["counting 100%"]],
    [{ since: early.toISOString() }, all],
    [{ until: early.toISOString() }, []],
  ] as [Record<string, string>, string[]][]) {
    assert.deepEqual(await shown(tenant, query), messages, JSON.stringify(query));
  }
  const page = await tenant.call("GET", `${LOGS}?level=info&limit=2`);
  const rest = await tenant.call("GET", `${LOGS}?level=info&cursor=${page.body.nextCursor}`);
  assert.deepEqual([page.body.items.length, rest.body.items[0].message], [2, "greeting"]);
});

test("a question that cannot be answered names its field", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1);
  for (const [query, field] of [
    ["level=loud", "level"],
    ["since=yesterday", "since"],
    ["until=-5m", "until"],
    [`q=${"x".repeat(201)}`, "q"],
    ["revision=7", "revision"],
    ["run=12", "run"],
    ["follow=maybe", "follow"],
    ["follow=true&until=5m", "until"],
    ["follow=true&limit=2", "limit"],
    ["follow=true&cursor=abc", "cursor"],
    ["follow=true&after=abc", "after"],
    ["after=1:1", "after"],
  ]) {
    assertProblem(await tenant.call("GET", `${LOGS}?${query}`), 422, "invalid_input", [field!]);
  }
});

test("a follower sees what it asked for: what was there since, then what comes", async (t) => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1);
  await log(tenant, [line("too old", { level: "error", at: new Date(Date.now() - 3_600_000) })]);
  await log(tenant, [line("quiet"), line("first", { level: "error" })]);
  const response = await tenant.request("GET", `${LOGS}?follow=true&since=5m&level=error`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  t.after(() => reader.cancel());
  const next = async () => JSON.parse((await reader.read()).value!).message;
  assert.equal(await next(), "first");
  await log(tenant, [line("quiet again")]);
  await log(tenant, [line("second", { level: "error" })]);
  assert.equal(await next(), "second");
});

test("many lines of one run keep their order", async () => {
  const tenant = await api.newTenant();
  await deploy(tenant, 1);
  const messages = Array.from({ length: 200 }, (_, index) => `line ${index}`);
  await log(
    tenant,
    messages.map((message) => line(message)),
  );
  assert.deepEqual(await shown(tenant, { limit: "200" }), messages.toReversed());
});

/** A function's log: listed in pages, and followed live. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { line } from "../../core/store/testing/samples.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const LOGS = "/v1/functions/greet/logs";
const FOLLOW = `${LOGS}?follow=true`;

async function newTenantWithFunction(): Promise<TestCaller> {
  const tenant = await api.newTenant();
  await tenant.call("PUT", "/v1/functions/greet", { body: { source: "export default () => null;" } });
  return tenant;
}

/** One run of the function that logs these lines; its id. */
async function log(tenant: TestCaller, ...messages: string[]): Promise<string> {
  const { body } = await tenant.call("POST", "/v1/functions/greet/invoke", {
    headers: { prefer: "respond-async" },
  });
  await api.work(
    body.runId,
    { state: "succeeded", result: null },
    messages.map((message) => line(message)),
  );
  return body.runId;
}

/** Follows the log; `read` resolves with that many lines or events. */
async function follow(
  t: TestContext,
  tenant: TestCaller,
  headers: Record<string, string> = {},
  path = FOLLOW,
) {
  const response = await tenant.request("GET", path, { headers });
  assert.equal(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const leave = () => reader.cancel();
  t.after(leave);
  const isSse = response.headers.get("content-type")!.startsWith("text/event-stream");
  const separator = isSse ? "\n\n" : "\n";
  let text = "";
  return {
    response,
    reader,
    leave,
    async read(count: number): Promise<string[]> {
      const parts: string[] = [];
      while (parts.length < count) {
        const end = text.indexOf(separator);
        if (end >= 0) {
          if (end > 0) parts.push(text.slice(0, end));
          text = text.slice(end + separator.length);
          continue;
        }
        const { value, done } = await reader.read();
        if (done) throw new Error(`the stream ended after ${parts.length} of ${count}`);
        text += value;
      }
      return parts;
    },
  };
}

const messageOf = (json: string) => (JSON.parse(json) as { message: string }).message;
function parseEvent(event: string) {
  const [, id, data] = /^id: (\S+)\ndata: (.*)$/.exec(event) ?? [];
  assert.ok(id && data, event);
  return { id, message: messageOf(data) };
}
/** Follows until there is something to read, so that what is logged next is new. */
async function followFromHere(t: TestContext, tenant: TestCaller, headers: Record<string, string> = {}) {
  const followed = await follow(t, tenant, headers);
  await log(tenant, "here");
  const [first] = await followed.read(1);
  return { ...followed, first: first! };
}

test("the log is listed newest first, with what there is to say of a line, in pages", async () => {
  const tenant = await newTenantWithFunction();
  assert.deepEqual((await tenant.call("GET", LOGS)).body, { items: [], nextCursor: null });
  const { body: fn } = await tenant.call("GET", "/v1/functions/greet");
  const first = await log(tenant, "one", "two");
  await log(tenant, "three");
  const { body: page } = await tenant.call("GET", `${LOGS}?limit=2`);
  const { body: rest } = await tenant.call("GET", `${LOGS}?limit=2&cursor=${page.nextCursor}`);
  const all = [...page.items, ...rest.items];
  assert.deepEqual(
    all.map(({ message }: { message: string }) => message),
    ["three", "two", "one"],
  );
  assert.equal(rest.nextCursor, null);
  const { id, at, ...oldest } = all[2];
  assert.equal(typeof id, "string");
  assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000);
  assert.deepEqual(oldest, {
    level: "info",
    message: "one",
    fields: {},
    runId: first,
    revision: fn.revision.id,
    attempt: 1,
  });
});

test("following as NDJSON: what is logged from now on, line by line", async (t) => {
  const tenant = await newTenantWithFunction();
  await log(tenant, "before");
  const { response, read } = await follow(t, tenant);
  assert.equal(response.headers.get("content-type"), "application/x-ndjson");
  assert.equal(response.headers.get("cache-control"), "no-store");
  const runId = await log(tenant, "one", "two");
  await log(tenant, "three");
  const lines = await read(3);
  assert.deepEqual(lines.map(messageOf), ["one", "two", "three"]);
  assert.equal((JSON.parse(lines[0]!) as { runId: string }).runId, runId);
});

test("following as server-sent events: each with an id", async (t) => {
  const tenant = await newTenantWithFunction();
  const { response, read } = await follow(t, tenant, { accept: "text/event-stream" });
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  await log(tenant, "one", "two\nwith a line break");
  const events = (await read(2)).map(parseEvent);
  assert.deepEqual(
    events.map(({ message }) => message),
    ["one", "two\nwith a line break"],
  );
  assert.equal(new Set(events.map(({ id }) => id)).size, 2);
});

test("another function's lines are not heard", async (t) => {
  const [tenant, other] = [await newTenantWithFunction(), await newTenantWithFunction()];
  const { read } = await follow(t, tenant);
  await log(other, "not mine");
  await log(tenant, "mine");
  assert.deepEqual((await read(1)).map(messageOf), ["mine"]);
});

test("Last-Event-ID goes on after the last line seen, without loss and without repeat", async (t) => {
  const tenant = await newTenantWithFunction();
  const sse = { accept: "text/event-stream" };
  const first = await followFromHere(t, tenant, sse);
  await log(tenant, "one", "two", "three");
  const seen = (await first.read(2)).map(parseEvent);
  await first.leave();
  await log(tenant, "four", "five");
  const again = await follow(t, tenant, { ...sse, "last-event-id": seen.at(-1)!.id });
  await log(tenant, "six");
  const rest = (await again.read(4)).map(parseEvent);
  assert.deepEqual(
    [...seen, ...rest].map(({ message }) => message),
    ["one", "two", "three", "four", "five", "six"],
  );
});

test("a stream says where it begins, for whom it breaks off before its first line", async (t) => {
  const tenant = await newTenantWithFunction();
  await log(tenant, "before");
  const { response, leave } = await follow(t, tenant);
  const start = response.headers.get("last-event-id")!;
  await leave();
  await log(tenant, "meanwhile");
  const again = await follow(t, tenant, { "last-event-id": start });
  assert.equal(again.response.headers.get("last-event-id"), start);
  // Where transactions elsewhere are under way, lines of the moment before it come again.
  const [first] = (await again.read(1)).map(messageOf);
  const next = first === "before" ? (await again.read(1)).map(messageOf)[0] : first;
  assert.equal(next, "meanwhile");
});

test("NDJSON goes on after the id of a line, which stands in each line", async (t) => {
  const tenant = await newTenantWithFunction();
  const { first } = await followFromHere(t, tenant);
  await log(tenant, "one", "two");
  const { id } = JSON.parse(first) as { id: string };
  const { read } = await follow(t, tenant, {}, `${FOLLOW}&after=${id}`);
  const lines = await read(2);
  assert.deepEqual(lines.map(messageOf), ["one", "two"]);
  const { id: seen } = JSON.parse(lines[0]!) as { id: string };
  const again = await follow(t, tenant, { "last-event-id": seen }, `${FOLLOW}&after=${id}`);
  assert.deepEqual(
    (await again.read(1)).map(messageOf),
    ["two"],
    "what was seen last is the header's to say",
  );
});

test("NDJSON resumes the same way", async (t) => {
  const tenant = await newTenantWithFunction();
  const { first } = await followFromHere(t, tenant, { accept: "text/event-stream" });
  await log(tenant, "one");
  const { read } = await follow(t, tenant, { "last-event-id": parseEvent(first).id });
  assert.deepEqual((await read(1)).map(messageOf), ["one"]);
});

test("a line whose transaction ends late is neither lost nor out of order", async (t) => {
  const tenant = await newTenantWithFunction();
  const { read } = await followFromHere(t, tenant);
  const late = await api.store.pool.connect();
  try {
    await late.query("BEGIN");
    // Takes its place in the order now, and is seen when it commits.
    const { rows } = await late.query<{ xid: string }>("SELECT pg_current_xact_id()::text AS xid");
    await log(tenant, "quick");
    const { rows: copies } = await late.query(
      `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message)
       SELECT at, namespace_id, run_id, attempt, function_id, revision_id, level, 'late' FROM task_logs
       WHERE message = 'quick' RETURNING recorded_xid::text AS xid`,
    );
    assert.equal(copies[0].xid, rows[0]!.xid);
    await late.query("COMMIT");
  } finally {
    late.release();
  }
  assert.deepEqual((await read(2)).map(messageOf), ["late", "quick"]);
});

test("more lines than one look takes all arrive, in order", async (t) => {
  const tenant = await newTenantWithFunction();
  const { read } = await follow(t, tenant);
  const messages = Array.from({ length: 2_500 }, (_, index) => `line ${index}`);
  await log(tenant, ...messages);
  assert.deepEqual((await read(2_500)).map(messageOf), messages);
});

test("an id that this stream never gave is refused", async () => {
  const tenant = await newTenantWithFunction();
  for (const id of [
    "x",
    "1",
    "1:",
    "'; DROP TABLE task_logs",
    `${"9".repeat(20)}:1`,
    `1:${"9".repeat(19)}`,
  ]) {
    const answer = await tenant.call("GET", FOLLOW, { headers: { "last-event-id": id } });
    assertProblem(answer, 400, "invalid_input");
  }
});

test("follow is true or false", async () => {
  const tenant = await newTenantWithFunction();
  assertProblem(await tenant.call("GET", `${LOGS}?follow=yes`), 422, "invalid_input", ["follow"]);
  assert.deepEqual((await tenant.call("GET", `${LOGS}?follow=false`)).body.items, []);
});

test("when the API stops, the streams end", async (t) => {
  const tenant = await newTenantWithFunction();
  const { reader } = await followFromHere(t, tenant);
  api.stopServing();
  assert.equal((await reader.read()).done, true);
});

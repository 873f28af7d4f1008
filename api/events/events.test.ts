/** `GET /v1/events`, by page and live. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WireEvent } from "../../core/contracts/event.ts";
import { RUN_EVENTS, TASK_EVENTS } from "../../core/domain/events.ts";
import { cancelRuns } from "../../core/store/runs/cancel.ts";
import { SAMPLE_ERROR } from "../../core/store/testing/samples.ts";
import { untilEventsSettled } from "../../core/store/testing/test-store.ts";
import { inTransaction } from "../../core/store/transaction.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { MAX_EVENT_FOLLOWERS_OF_KEY } from "./followers.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/" };

const makeTask = async (tenant: TestCaller, body: object = {}): Promise<{ id: string; runId: string }> => {
  const { status, body: task } = await tenant.call("POST", "/v1/tasks", { body: { ...HTTP, ...body } });
  assert.equal(status, 201);
  const { body: runs } = await tenant.call("GET", `/v1/tasks/${task.id}/runs`);
  return { id: task.id, runId: runs.items[0]?.id };
};

/** What other tests have under way on the same server is waited for. */
const settle = () => untilEventsSettled(api.store);

const list = async (tenant: TestCaller, query = ""): Promise<WireEvent[]> => {
  await settle();
  const { status, body } = await tenant.call("GET", `/v1/events${query}`);
  assert.equal(status, 200);
  return body.items;
};
const typesOf = (events: WireEvent[]) => events.map(({ type }) => type.slice("bellhop.".length));

test("an event is a CloudEvent that names its run, its task and what went wrong, and keeps the details to the run", async () => {
  const tenant = await api.newTenant();
  const task = await makeTask(tenant);
  await api.work(task.runId, { state: "failed", error: { ...SAMPLE_ERROR, details: { status: 503 } } });
  const events = await list(tenant);
  assert.deepEqual(typesOf(events), ["task.created", "run.queued", "run.started", "run.failed"]);
  const [created, , , failed] = events;
  assert.deepEqual(created, {
    ...{ specversion: "1.0", id: created!.id, source: `/namespaces/${tenant.namespaceId}` },
    ...{ type: "bellhop.task.created", subject: `tasks/${task.id}`, time: created!.time },
    datacontenttype: "application/json",
    data: {
      ...{ taskId: task.id, function: null, name: null, type: "http", state: "active" },
      ...{ pausedReason: null, nextRunAt: null },
    },
  });
  const { body: run } = await tenant.call("GET", `/v1/runs/${task.runId}`);
  assert.deepEqual(failed, {
    ...{ specversion: "1.0", id: failed!.id, source: `/namespaces/${tenant.namespaceId}` },
    ...{ type: "bellhop.run.failed", subject: `runs/${task.runId}`, time: run.finishedAt },
    datacontenttype: "application/json",
    data: {
      ...{ runId: task.runId, taskId: task.id, function: null, type: "http", trigger: "schedule" },
      ...{
        scheduledFor: run.scheduledFor,
        attempt: 1,
        replayOf: null,
        callbackOf: null,
        error: SAMPLE_ERROR,
      },
    },
  });
});

test("every event that there is has its type in the document", async () => {
  const { body } = await api.anonymous.call("GET", "/openapi.json");
  const types: string[] = body.components.schemas.Event.anyOf.flatMap(
    // Of the audit log: by its actions, whatever they are.
    (one: { properties: { type: { enum?: string[] } } }) => one.properties.type.enum ?? [],
  );
  assert.deepEqual(
    types.sort(),
    [
      ...RUN_EVENTS.map((event) => `bellhop.run.${event}`),
      ...TASK_EVENTS.map((event) => `bellhop.task.${event}`),
    ].sort(),
  );
});

test("pages follow one another by nextCursor and by the id of the last event, and end", async () => {
  const tenant = await api.newTenant();
  for (let left = 5; left > 0; left -= 1)
    await api.work((await makeTask(tenant)).runId, { state: "succeeded", result: null });
  const all = await list(tenant, "?limit=200");
  assert.equal(all.length, 20);
  const paged: WireEvent[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { body }: { body: { items: WireEvent[]; nextCursor: string | null } } = await tenant.call(
      "GET",
      `/v1/events?limit=3${cursor && `&after=${cursor}`}`,
    );
    paged.push(...body.items);
    cursor = body.nextCursor;
  }
  assert.deepEqual(paged, all);
  assert.deepEqual(await list(tenant, `?after=${all[7]!.id}`), all.slice(8));
  assert.deepEqual(await list(tenant, `?after=${all.at(-1)!.id}`), []);
});

test("as NDJSON a page is lines, and a header leads on", async () => {
  const tenant = await api.newTenant();
  await makeTask(tenant);
  const all = await list(tenant);
  const headers = { accept: "application/x-ndjson" };
  const first = await tenant.request("GET", "/v1/events?limit=1", { headers });
  assert.deepEqual(await first.text(), `${JSON.stringify(all[0])}\n`);
  const [, next] = /^<(.*)>; rel="next"$/.exec(first.headers.get("link")!)!;
  const second = await tenant.request("GET", next!, { headers });
  assert.deepEqual(JSON.parse(await second.text()), all[1]);
  assert.equal(second.headers.get("link"), null);
});

test("runId and taskId narrow a page; those of another namespace find nothing", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  const [one, other] = [await makeTask(tenant), await makeTask(tenant)];
  await cancelRuns(api.store, tenant.namespaceId, { runId: other.runId });
  assert.deepEqual(typesOf(await list(tenant, `?runId=${one.runId}`)), ["run.queued"]);
  assert.deepEqual(typesOf(await list(tenant, `?taskId=${other.id.toUpperCase()}`)), [
    ...["task.created", "run.queued", "run.cancelled"],
  ]);
  assert.deepEqual(await list(tenant, `?taskId=${one.id}&runId=${other.runId}`), []);
  assert.deepEqual(await list(stranger, `?runId=${one.runId}`), []);
  assert.deepEqual(await list(stranger), []);
});

test("what no event ever had as its id, and what cannot be, is refused by name", async () => {
  const tenant = await api.newTenant();
  for (const [query, field] of [
    ["?after=nonsense", "after"],
    ["?after=1-9999999999999999999-1-01a20a28-a81c-7294-862d-1a27e97c0d32", "after"],
    ["?runId=7", "runId"],
    ["?taskId=7", "taskId"],
    ["?limit=201", "limit"],
    ["?follow=yes", "follow"],
    ["?follow=true&limit=2", "limit"],
    ["?type=run", "type"],
  ] as const) {
    const { status, body } = await tenant.call("GET", `/v1/events${query}`);
    assert.deepEqual([status, body.errors?.[0]?.field], [422, field], query);
  }
  const headers = { "last-event-id": "nonsense" };
  const answer = await tenant.call("GET", "/v1/events?follow=true", { headers });
  assert.deepEqual([answer.status, answer.body.code], [400, "invalid_input"]);
  const blind = await api.newCaller(tenant.namespaceId, ["invoke"]);
  assert.equal((await blind.call("GET", "/v1/events")).status, 403);
});

test("a page does not pass by a transaction that is under way, and does not wait for it for long", async () => {
  const tenant = await api.newTenant();
  await settle();
  await inTransaction(api.store.pool, async (tx) => {
    await tx.pool.query("SELECT pg_current_xact_id()");
    await makeTask(tenant);
    assert.deepEqual((await tenant.call("GET", "/v1/events")).body, { items: [], nextCursor: null });
  });
  assert.deepEqual(typesOf(await list(tenant)), ["task.created", "run.queued"]);
});

/** Reads a stream up to so many events. */
async function readStream(
  tenant: TestCaller,
  query: string,
  count: number,
  headers: Record<string, string> = {},
  act = async () => {},
): Promise<string[]> {
  const response = await tenant.request("GET", `/v1/events?follow=true${query}`, { headers });
  assert.equal(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const separator = headers["accept"] === "text/event-stream" ? "\n\n" : "\n";
  let text = "";
  await act();
  while (text.split(separator).length <= count) {
    const { value, done } = await reader.read();
    assert.ok(!done);
    text += value;
  }
  await reader.cancel();
  return text.split(separator).slice(0, count);
}

test("a follower gets what comes from now on, and nothing from before", async () => {
  const tenant = await api.newTenant();
  await makeTask(tenant);
  await settle();
  let later: { id: string; runId: string } | undefined;
  const lines = await readStream(tenant, "", 4, {}, async () => {
    later = await makeTask(tenant);
    await api.work(later.runId, { state: "succeeded", result: null });
  });
  const events = lines.map((line) => JSON.parse(line) as WireEvent);
  assert.deepEqual(typesOf(events), ["task.created", "run.queued", "run.started", "run.succeeded"]);
  assert.deepEqual(events, await list(tenant, `?taskId=${later!.id}`));
});

test("server-sent events have the events' ids: a stream goes on after the one that a header or after names", async () => {
  const tenant = await api.newTenant();
  for (let left = 3; left > 0; left -= 1) await makeTask(tenant);
  const all = await list(tenant);
  const accept = "text/event-stream";
  const show = (event: WireEvent) => `id: ${event.id}\ndata: ${JSON.stringify(event)}`;
  const first = await readStream(tenant, `&after=${all[0]!.id}`, 2, { accept });
  assert.deepEqual(first, [show(all[1]!), show(all[2]!)]);
  const headers = { accept, "last-event-id": all[2]!.id };
  const rest = await readStream(tenant, `&after=${all[0]!.id}`, 3, headers);
  assert.deepEqual(rest, all.slice(3).map(show));
});

test("a stream says where it begins, for whom it breaks off before its first event", async () => {
  const tenant = await api.newTenant();
  await makeTask(tenant);
  await settle();
  const first = await tenant.request("GET", "/v1/events?follow=true");
  await first.body!.cancel();
  const { id } = await makeTask(tenant);
  const headers = { "last-event-id": first.headers.get("last-event-id")! };
  const lines = await readStream(tenant, "", 2, headers);
  const events = lines.map((line) => JSON.parse(line) as WireEvent);
  assert.deepEqual(events, await list(tenant, `?taskId=${id}`));
});

test("a follower of one task gets its events alone, wherever he gets them from", async () => {
  const tenant = await api.newTenant();
  const [task, other] = [await makeTask(tenant), await makeTask(tenant)];
  const [created] = await list(tenant);
  const lines = await readStream(tenant, `&taskId=${task.id}&after=${created!.id}`, 2, {}, async () => {
    await cancelRuns(api.store, tenant.namespaceId, { runId: other.runId });
    await cancelRuns(api.store, tenant.namespaceId, { runId: task.runId });
  });
  const events = lines.map((line) => JSON.parse(line) as WireEvent);
  assert.deepEqual(typesOf(events), ["run.queued", "run.cancelled"]);
  assert.ok(events.every(({ data }) => "taskId" in data && data.taskId === task.id));
});

test("a key has so many streams and no more; one that is left makes room", async () => {
  const tenant = await api.newTenant();
  const open = () => tenant.request("GET", "/v1/events?follow=true");
  const streams = [];
  for (let left = MAX_EVENT_FOLLOWERS_OF_KEY; left > 0; left -= 1) streams.push(await open());
  const refused = await tenant.call("GET", "/v1/events?follow=true");
  assert.deepEqual([refused.status, refused.body.code], [429, "too_many_followers"]);
  assert.equal(refused.headers.get("retry-after"), "10");
  await streams[0]!.body!.cancel();
  const again = await open();
  assert.equal(again.status, 200);
  for (const { body } of [...streams.slice(1), again]) await body!.cancel();
});

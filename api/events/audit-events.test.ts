/** Entries of the audit log among the events: for whoever may read the log, and for nobody else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WireEvent } from "../../core/contracts/event.ts";
import { untilEventsSettled } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";

const api = await openApi();
const SECRET = "s3cret-that-nobody-reads";
const HTTP = { type: "http", url: "https://example.com/" };

async function list(caller: TestCaller, query = ""): Promise<WireEvent[]> {
  await untilEventsSettled(api.store);
  const { status, body } = await caller.call("GET", `/v1/events${query}`);
  assert.equal(status, 200);
  return body.items;
}
const typesOf = (events: WireEvent[]) => events.map(({ type }) => type.slice("bellhop.".length));

const putQueue = async (caller: TestCaller, concurrency: number) => {
  const { status } = await caller.call("PUT", "/v1/queues/mail", { body: { concurrency } });
  assert.ok(status < 300);
};

/** The lines of a stream while `act` does something, until the type comes. */
async function follow(
  caller: TestCaller,
  act: () => Promise<void>,
  until: string,
  query = "",
): Promise<WireEvent[]> {
  const response = await caller.request("GET", `/v1/events?follow=true${query}`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await act();
  let text = "";
  while (!text.includes(`"${until}"`)) text += (await reader.read()).value;
  await reader.cancel();
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

test("an administrator's events have what the audit log has, in the order of the changes, by page and live", async () => {
  const tenant = await api.newTenant();
  await putQueue(tenant, 1);
  await tenant.call("POST", "/v1/tasks", { body: HTTP });
  await tenant.call("PUT", "/v1/secrets/TOKEN", { body: { value: SECRET } });
  const events = await list(tenant);
  assert.deepEqual(typesOf(events), ["audit.putQueue", "task.created", "run.queued", "audit.putSecret"]);
  const { body: log } = await tenant.call("GET", "/v1/audit");
  const [first, , , last] = events;
  assert.deepEqual([last!.data, first!.data], log.items);
  const { specversion, source, subject, time, id } = first!;
  assert.deepEqual(
    [specversion, source, subject],
    ["1.0", `/namespaces/${tenant.namespaceId}`, "queues/mail"],
  );
  assert.equal(time, log.items[1].at);
  assert.ok(!JSON.stringify(events).includes(SECRET));
  assert.deepEqual(await list(tenant, `?after=${id}`), events.slice(1));
  const paged = (await tenant.call("GET", "/v1/events?limit=1")).body;
  assert.deepEqual(paged.items, [first]);
  const live = await follow(tenant, () => putQueue(tenant, 2), "bellhop.audit.putQueue");
  assert.deepEqual(live, (await list(tenant)).slice(4));
  const again = await follow(tenant, async () => {}, "bellhop.audit.putSecret", `&after=${first!.id}`);
  assert.deepEqual(again.slice(0, 3), events.slice(1));
});

test("who may not read the audit log sees none, and cannot tell that there are any", async () => {
  const tenant = await api.newTenant();
  const reader = await api.newCaller(tenant.namespaceId, ["read", "write", "deploy", "invoke"]);
  await tenant.call("POST", "/v1/tasks", { body: HTTP });
  await untilEventsSettled(api.store);
  const page = async (query = "") => (await reader.call("GET", `/v1/events${query}`)).body;
  const before = await page();
  assert.deepEqual(typesOf(before.items), ["task.created", "run.queued"]);
  for (const concurrency of [1, 2, 3, 4]) await putQueue(tenant, concurrency);
  await untilEventsSettled(api.store);
  assert.deepEqual(await page(), before);
  const after = before.items[1].id;
  assert.deepEqual(await page(`?after=${after}&limit=1`), { items: [], nextCursor: null });
  // Both follow at once, and share what is read.
  const act = async () => {
    await putQueue(tenant, 5);
    await tenant.call("POST", "/v1/tasks", { body: HTTP });
  };
  const quiet = async () => {};
  const [seen, all] = await Promise.all([
    follow(reader, quiet, "bellhop.run.queued"),
    follow(tenant, act, "bellhop.run.queued"),
  ]);
  assert.deepEqual(typesOf(seen), ["task.created", "run.queued"]);
  assert.deepEqual(typesOf(all), ["audit.putQueue", "task.created", "run.queued"]);
  const late = await follow(reader, quiet, "bellhop.run.queued", `&after=${after}`);
  assert.deepEqual(typesOf(late), ["task.created", "run.queued"]);
});

test("entries of another namespace, and those about the installation, are not shown", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  await putQueue(tenant, 1);
  assert.deepEqual(await list(stranger), []);
  const { operator } = api;
  const [latest] = (await list(operator, "?limit=200")).slice(-1);
  const after = latest ? `?after=${latest.id}` : "";
  const name = "told-to-operators";
  assert.equal((await operator.call("POST", "/v1/namespaces", { body: { name } })).status, 201);
  const made = await list(operator, after);
  assert.deepEqual(typesOf(made), ["audit.createNamespace"]);
  assert.equal(made[0]!.subject, `namespaces/${name}`);
  const admin = await api.newCaller(operator.namespaceId, ["admin"]);
  assert.deepEqual(await list(admin, after), []);
});

test("of one task or run there are its own events alone", async () => {
  const tenant = await api.newTenant();
  const { body: task } = await tenant.call("PUT", "/v1/tasks/nightly", {
    body: { ...HTTP, schedule: { every: "1h" } },
  });
  assert.deepEqual(typesOf(await list(tenant)), ["task.created", "audit.putTask"]);
  assert.deepEqual(typesOf(await list(tenant, `?taskId=${task.id}`)), ["task.created"]);
});

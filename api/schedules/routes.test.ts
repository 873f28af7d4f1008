import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../../core/json.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const http = { type: "http", url: "https://example.com/" };

test("a preview says what a schedule fires, in words and in its zone, and makes nothing", async () => {
  const tenant = await api.newTenant();
  const schedule = { cron: "30 2 * * *", timezone: "Europe/Rome" };
  const body = { schedule, from: "2026-03-28T12:00:00Z", count: 2 };
  const answer = await tenant.call("POST", "/v1/schedules/preview", { body });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(answer.body, {
    description: "At 02:30, in Europe/Rome.",
    items: [
      {
        nominalAt: "2026-03-29T01:30:00.000Z",
        effectiveAt: "2026-03-29T01:30:00.000Z",
        local: "2026-03-29T03:30:00+02:00",
      },
      {
        nominalAt: "2026-03-30T00:30:00.000Z",
        effectiveAt: "2026-03-30T00:30:00.000Z",
        local: "2026-03-30T02:30:00+02:00",
      },
    ],
  });
  assert.deepEqual((await tenant.call("GET", "/v1/tasks")).body.items, []);
  const refused = await tenant.call("POST", "/v1/schedules/preview", {
    body: { schedule: { every: "1ms" } },
  });
  assertProblem(refused, 422, "invalid_input", ["schedule.every"]);
});

test("what all tasks fire is merged in its order, page by page, and a task tells its own", async () => {
  const tenant = await api.newTenant();
  const make = async (name: string, schedule: JsonObject): Promise<string> =>
    (await tenant.call("POST", "/v1/tasks", { body: { ...http, name, schedule } })).body.id;
  const often = await make("often", { every: "1h", maxRuns: 3 });
  await make("seldom", { every: "90m" });
  await make("later", { delay: "7d" });
  const names: string[] = [];
  let cursor = "";
  do {
    const { body } = await tenant.call("GET", `/v1/upcoming?within=5h&limit=2${cursor}`);
    names.push(...body.items.map(({ name }: { name: string }) => name));
    cursor = body.nextCursor ? `&cursor=${body.nextCursor}` : "";
  } while (cursor);
  assert.deepEqual(
    [names.filter((name) => name === "often").length, names.filter((name) => name === "seldom").length],
    [3, 3],
  );
  const next = await tenant.call("GET", `/v1/tasks/${often}/next?count=10`);
  assert.equal(next.body.items.length, 3);
  assert.equal(next.body.items[0].taskId, often);
  assertProblem(await tenant.call("GET", "/v1/upcoming?cursor=eA"), 422, "invalid_input", ["cursor"]);
});

test("a preview as of an instant shows what a task made then would fire", async () => {
  const tenant = await api.newTenant();
  const at = "2036-03-01T09:00:00.000Z";
  const itemsFrom = async (from: string) =>
    (await tenant.call("POST", "/v1/schedules/preview", { body: { schedule: { at }, from } })).body.items;
  assert.deepEqual(await itemsFrom("2036-03-01T09:00:06Z"), [], "it has passed");
  for (const from of ["2036-03-01T08:00:00Z", "2036-03-01T09:00:04Z"])
    assert.deepEqual(
      (await itemsFrom(from)).map(({ nominalAt }: { nominalAt: string }) => nominalAt),
      [at],
      from,
    );
});

test("no instant is shown that has no RFC 3339", async () => {
  const tenant = await api.newTenant();
  const schedule = { cron: "0 0 1 1 *", timezone: "Pacific/Kiritimati", jitter: "1d" };
  const body = { schedule, from: "9996-06-01T00:00:00Z", count: 10 };
  const { items } = (await tenant.call("POST", "/v1/schedules/preview", { body })).body;
  assert.deepEqual(
    items.map(({ local }: { local: string }) => local),
    ["9997-01-01T00:00:00+14:00", "9998-01-01T00:00:00+14:00", "9999-01-01T00:00:00+14:00"],
  );
});

test("a preview from the past judges a schedule as of then", async () => {
  const tenant = await api.newTenant();
  const preview = (schedule: JsonObject | string, from: string) =>
    tenant.call("POST", "/v1/schedules/preview", { body: { schedule, from } });
  const past = "2026-03-01T00:00:00Z";
  for (const [schedule, first] of [
    [{ at: "2026-03-29T02:30", timezone: "Europe/Rome" }, "2026-03-29T01:30:00.000Z"],
    [{ cron: "0 9 * * *", endAt: "2026-03-01T10:00:00Z" }, "2026-03-01T09:00:00.000Z"],
    ["FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0;UNTIL=20260301", "2026-03-01T09:00:00.000Z"],
  ] as const) {
    const { status, body } = await preview(schedule, past);
    assert.deepEqual(
      [status, body.items?.map(({ nominalAt }: { nominalAt: string }) => nominalAt)],
      [200, [first]],
      JSON.stringify(body),
    );
  }
  assertProblem(await preview({ at: "2026-02-01T00:00:00Z" }, past), 422, "invalid_input", ["schedule.at"]);
  const over = await preview({ cron: "0 9 * * *", endAt: "2037-01-01T00:00:00Z" }, "2038-01-01T00:00:00Z");
  assert.deepEqual([over.status, over.body.items], [200, []]);
});

test("a preview's from and count are held to their bounds, and to their types", async () => {
  const tenant = await api.newTenant();
  const preview = (fields: JsonObject) =>
    tenant.call("POST", "/v1/schedules/preview", { body: { schedule: "@daily", ...fields } });
  for (const [fields, field, message] of [
    [{ from: "1899-12-31T23:59:59Z" }, "from", "lies before the year 1900"],
    [{ from: "0050-01-01T00:00:00Z" }, "from", "lies before the year 1900"],
    [{ from: "9999-01-01T00:00:00Z" }, "from", "lies after the year 9998"],
    [{ count: "5" }, "count", "must be a number, not text"],
    [{ count: true }, "count", "must be a number, not true"],
    [{ count: [2] }, "count", "must be a number, not a list"],
    [{ count: 101 }, "count", "must be a whole number from 1 to 100"],
  ] as const) {
    const { status, body } = await preview(fields as JsonObject);
    assert.deepEqual([status, body.errors], [422, [{ field, message }]], JSON.stringify(fields));
  }
  assert.equal((await preview({ from: "1900-01-01T00:00:00Z", count: 1 })).status, 200);
});

test("a task that is paused has no next instant", async () => {
  const tenant = await api.newTenant();
  const body = { ...http, schedule: { every: "1h" } };
  const { id } = (await tenant.call("POST", "/v1/tasks", { body })).body;
  await tenant.call("POST", `/v1/tasks/${id}/pause`);
  const { status, body: next } = await tenant.call("GET", `/v1/tasks/${id}/next`);
  assert.deepEqual([status, next.items], [200, []]);
});

test("GET /v1/upcoming/density counts what is to come, slice by slice", async () => {
  const tenant = await api.newTenant();
  const at = new Date(Date.now() + 3 * 3_600_000).toISOString();
  await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/", schedule: { at } },
  });
  const { status, body } = await tenant.call("GET", "/v1/upcoming/density");
  assert.deepEqual([status, body.estimated, body.items.length], [200, false, 96]);
  const [slice, ...others] = body.items.filter(({ count }: { count: number }) => count > 0);
  assert.deepEqual([slice.count, others], [1, []]);
  assert.ok(slice.at <= at);
});

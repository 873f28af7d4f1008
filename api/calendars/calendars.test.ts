import assert from "node:assert/strict";
import { test } from "node:test";
import { newTaskInput } from "../../core/contracts/task-input.ts";
import type { Json } from "../../core/json.ts";
import { stageOccurrences } from "../../core/store/runs/stage.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const api = await openApi();
const HTTP = { type: "http", url: "https://example.com/" };
const schedule = { cron: "0 9 * * *", exclude: { calendar: "days" } };
const DAY_MS = 86_400_000;

/** Of tomorrow and the days after it, at 09:00 UTC. */
const TOMORROW = (Math.floor(Date.now() / DAY_MS) + 1) * DAY_MS + (DAY_MS / 24) * 9;
const after = (days: number) => new Date(TOMORROW + days * DAY_MS).toISOString();
const dayOf = (days: number) => after(days).slice(0, 10);

const put = (caller: TestCaller, dates: Json, name = "days") =>
  caller.call("PUT", `/v1/calendars/${name}`, { body: { dates } });

/** The tasks' instants begin tomorrow at 09:00, also where it is earlier than that today. */
const startAt = new Date(TOMORROW - 1).toISOString();
const withCalendar = { ...HTTP, schedule: { ...schedule, startAt } };

test("a calendar is put, read, listed and removed", async () => {
  const tenant = await api.newTenant();
  const made = await put(tenant, [dayOf(1), dayOf(0)], "it:holidays");
  assert.deepEqual(
    [made.status, made.body.name, made.body.dates],
    [201, "it:holidays", [dayOf(0), dayOf(1)]],
  );
  const again = await put(tenant, [dayOf(2)], "it:holidays");
  assert.deepEqual([again.status, again.body.dates], [200, [dayOf(2)]]);
  assert.deepEqual((await tenant.call("GET", "/v1/calendars/it:holidays")).body, again.body);
  const { items, nextCursor } = (await tenant.call("GET", "/v1/calendars")).body;
  assert.deepEqual([items[0].name, items[0].dateCount, nextCursor], ["it:holidays", 1, null]);
  assert.equal((await tenant.call("DELETE", "/v1/calendars/it:holidays")).status, 204);
  for (const method of ["GET", "DELETE"])
    assertProblem(await tenant.call(method, "/v1/calendars/it:holidays"), 404, "not_found");
});

test("what is no calendar is refused by its field, and changes nothing", async () => {
  const tenant = await api.newTenant();
  await put(tenant, [dayOf(0)]);
  const many = Array.from({ length: 5_001 }, () => dayOf(0));
  for (const [dates, field] of [
    [["2026-02-30"], "dates.0"],
    ["2026-12-25", "dates"],
    [many, "dates"],
  ] as const)
    assertProblem(await put(tenant, dates as Json), 422, "invalid_input", [field]);
  assertProblem(await put(tenant, [], "-days"), 422, "invalid_input", ["name"]);
  assertProblem(
    await tenant.call("PUT", "/v1/calendars/days", { body: { dates: [], zone: "UTC" } }),
    422,
    "invalid_input",
    ["zone"],
  );
  assert.deepEqual((await tenant.call("GET", "/v1/calendars/days")).body.dates, [dayOf(0)]);
  for (const method of ["GET", "DELETE"])
    assertProblem(await tenant.call(method, "/v1/calendars/%00"), 404, "not_found");
});

test("calendars are a namespace's own, read by readers and written by writers", async () => {
  const [tenant, stranger] = [await api.newTenant(), await api.newTenant()];
  await put(tenant, [dayOf(0)]);
  assertProblem(await stranger.call("GET", "/v1/calendars/days"), 404, "not_found");
  assertProblem(await stranger.call("DELETE", "/v1/calendars/days"), 404, "not_found");
  const refused = await stranger.call("POST", "/v1/tasks", { body: withCalendar });
  assertProblem(refused, 422, "unknown_calendar", ["schedule.exclude.calendar"]);
  const reader = await api.newCaller(tenant.namespaceId, ["read"]);
  assert.equal((await reader.call("GET", "/v1/calendars/days")).status, 200);
  assertProblem(await put(reader, []), 403, "forbidden");
  assertProblem(await reader.call("DELETE", "/v1/calendars/days"), 403, "forbidden");
});

test("wherever a task is given its schedule, its calendar is looked up, and its days do not fire", async () => {
  const tenant = await api.newTenant();
  const body = withCalendar;
  const ways: [string, () => Promise<{ status: number; body: Json }>][] = [
    ["POST", () => tenant.call("POST", "/v1/tasks", { body })],
    [
      "POST with dedup",
      () => tenant.call("POST", "/v1/tasks", { body: { ...body, dedup: { window: "1h" } } }),
    ],
    ["PUT", () => tenant.call("PUT", "/v1/tasks/by-put", { body })],
    [
      "apply",
      () => tenant.call("POST", "/v1/tasks/apply", { body: { items: [{ ...body, key: "applied" }] } }),
    ],
    ["preview", () => tenant.call("POST", "/v1/schedules/preview", { body: { schedule: body.schedule } })],
    [
      "PATCH",
      async () => {
        const plain = { ...HTTP, schedule: { cron: "0 9 * * *", startAt } };
        const { id } = (await tenant.call("POST", "/v1/tasks", { body: plain })).body;
        const change = { schedule: { exclude: { calendar: "days" } } };
        return await tenant.call("PATCH", `/v1/tasks/${id}`, { body: change });
      },
    ],
  ];
  for (const [way, give] of ways) {
    const refused = await give();
    const { code, errors } = refused.body as { code: string; errors: { field: string }[] };
    assert.deepEqual([refused.status, code], [422, "unknown_calendar"], way);
    assert.match(errors[0]!.field, /schedule\.exclude\.calendar$/, way);
  }
  const batch = await tenant.call("POST", "/v1/tasks/batch", { body: { items: [body] } });
  assert.equal(batch.body.items[0].problem.code, "unknown_calendar");
  await put(tenant, [dayOf(0)]);
  for (const [way, give] of ways) assert.ok((await give()).status < 300, way);
  assert.equal(
    (await tenant.call("POST", "/v1/tasks/batch", { body: { items: [body] } })).body.items[0].status,
    201,
  );

  const { items } = (await tenant.call("GET", "/v1/tasks")).body;
  const naming = items.filter((task: { schedule: { exclude?: unknown } }) => task.schedule.exclude);
  assert.equal(naming.length, 6);
  for (const task of naming) {
    assert.deepEqual(task.schedule.exclude, { calendar: "days" });
    assert.equal(task.nextRunAt, after(1));
    const next = (await tenant.call("GET", `/v1/tasks/${task.id}/next?count=2`)).body.items;
    assert.deepEqual(next.map(nominal), [after(1), after(2)]);
  }
  const upcoming = (await tenant.call("GET", "/v1/upcoming?within=50h&limit=100")).body.items;
  assert.equal(upcoming.map(nominal).filter((at: string) => at === after(0)).length, 1, "the one without");
  const preview = await tenant.call("POST", "/v1/schedules/preview", { body: { schedule: body.schedule } });
  assert.match(preview.body.description, /except on the days of the calendar days/);
  assert.equal(preview.body.items[0].nominalAt, after(1));

  await put(tenant, [dayOf(1)]);
  for (const { id } of naming)
    assert.equal((await tenant.call("GET", `/v1/tasks/${id}`)).body.nextRunAt, after(0));
  const inUse = await tenant.call("DELETE", "/v1/calendars/days");
  assertProblem(inUse, 409, "calendar_in_use");
  assert.match(inUse.body.detail, /and others/);
});

const nominal = ({ nominalAt }: { nominalAt: string }) => nominalAt;

test("an instant that a calendar excludes is a skipped run with its reason and its count", async () => {
  const tenant = await api.newTenant();
  await put(tenant, [dayOf(0), dayOf(1)]);
  const { id } = (await tenant.call("POST", "/v1/tasks", { body: withCalendar })).body;
  await stageOccurrences(api.store, new Date(after(2)), new Date(after(2)), 100);
  const { items } = (await tenant.call("GET", `/v1/runs?taskId=${id}&state=skipped`)).body;
  assert.equal(items.length, 1);
  const { state, reason, count, firstAt, lastAt } = items[0];
  assert.deepEqual(
    { state, reason, count, firstAt, lastAt },
    { state: "skipped", reason: "excluded", count: 2, firstAt: after(0), lastAt: after(1) },
  );
});

test("a schedule is read with its calendar, and needs something to exclude", () => {
  const input = newTaskInput(() => new Date());
  assert.equal(input.safeParse(withCalendar).success, true);
  const empty = input.safeParse({ ...HTTP, schedule: { ...schedule, exclude: {} } });
  assert.match(empty.error!.issues[0]!.message, /dates, a cron or a calendar/);
});

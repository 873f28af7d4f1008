import assert from "node:assert/strict";
import { test } from "node:test";
import { createVirtualTime } from "../../core/schedule-time.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const START = new Date("2027-03-01T12:00:00Z");
const time = createVirtualTime(START);
/** Left out, nothing moves it. */
let move: (() => void) | undefined;
time.onAdvance(() => move?.());
const api = await openApi({ time });
const trueApi = await openApi();

const moveAtOnce = () => {
  move = () => {
    // An advance is told of when it has its target.
    time.moveTo(time.target!);
    time.settle();
  };
};

test("without a clock for tests there is none, and the answer says where there is", async () => {
  const { operator } = trueApi;
  for (const [method, path, options] of [
    ["GET", "/v1/clock", {}],
    ["POST", "/v1/clock/advance", { body: { by: "1d" } }],
  ] as const) {
    const answer = await operator.call(method, path, options);
    assertProblem(answer, 404, "clock_not_virtual");
    assert.match(answer.body.detail, /npm start -- --clock=virtual/);
  }
});

test("the clock is read and advanced, and tasks that are made see it", async () => {
  moveAtOnce();
  const tenant = await api.newTenant();
  const at = time.now().toISOString();
  const { body: clock } = await tenant.call("GET", "/v1/clock");
  assert.deepEqual(clock, { now: at, virtual: true, advancingTo: null });
  const { body: later } = await api.operator.call("POST", "/v1/clock/advance", {
    body: { by: "1d" },
  });
  assert.deepEqual(later.now, new Date(START.getTime() + 86_400_000).toISOString());
  const schedule = { delay: "1h" };
  const { body: task } = await tenant.call("POST", "/v1/tasks", {
    body: { type: "http", url: "https://example.com/", schedule },
  });
  assert.equal(task.nextRunAt, "2027-03-02T13:00:00.000Z");
  const preview = { schedule: { cron: "0 9 * * *" }, count: 1 };
  const { body: shown } = await tenant.call("POST", "/v1/schedules/preview", { body: preview });
  assert.equal(shown.items[0].nominalAt, "2027-03-03T09:00:00.000Z");
});

test("what is asked and told of tasks goes by the clock: what has passed, what is upcoming, when they were changed", async () => {
  moveAtOnce();
  const tenant = await api.newTenant();
  const nowMs = time.now().getTime();
  const instant = (minutes: number) => new Date(nowMs + minutes * 60_000).toISOString();
  const make = (schedule: object) =>
    tenant.call("POST", "/v1/tasks", {
      body: { type: "http", url: "https://example.com/", schedule: { ...schedule } },
    });
  assertProblem(await make({ at: instant(-1) }), 422, "invalid_input", ["schedule.at"]);
  const { body: task } = await make({ every: "1h" });
  assert.deepEqual([task.createdAt, task.nextRunAt], [instant(0), instant(60)]);
  const within = async (span: string) =>
    (await tenant.call("GET", `/v1/upcoming?within=${span}`)).body.items.map(
      ({ nominalAt }: { nominalAt: string }) => nominalAt,
    );
  assert.deepEqual([await within("30m"), await within("2h")], [[], [instant(60), instant(120)]]);
  await api.operator.call("POST", "/v1/clock/advance", { body: { by: "10m" } });
  const { body: paused } = await tenant.call("POST", `/v1/tasks/${task.id}/pause`);
  assert.deepEqual([paused.pausedAt, paused.updatedAt], [instant(10), instant(10)]);
  const backfill = (to: string) =>
    tenant.call("POST", `/v1/tasks/${task.id}/backfill`, { body: { from: instant(-600), to, dryRun: true } });
  assertProblem(await backfill(instant(11)), 422, "invalid_input", ["to"]);
  assert.equal((await backfill(instant(10))).status, 200);
});

test("what cannot be is refused by its field, and moves nothing", async () => {
  const at = time.now();
  for (const [body, field] of [
    [{}, "to"],
    [{ by: "1d", to: "2027-04-01T00:00:00Z" }, "to"],
    [{ to: "2027-01-01T00:00:00Z" }, "to"],
    [{ to: "2040-01-01T00:00:00Z" }, "to"],
    [{ by: "0s" }, "by"],
    [{ by: "-1d" }, "by"],
    [{ until: "2027-04-01T00:00:00Z" }, "until"],
  ] as const)
    assertProblem(await api.operator.call("POST", "/v1/clock/advance", { body }), 422, "invalid_input", [
      ...(field === "until" ? ["until", "to"] : [field]),
    ]);
  assert.deepEqual(time.now(), at);
});

test("it is one clock for all namespaces: an operator advances it, and nobody else", async () => {
  const [tenant, at] = [await api.newTenant(), time.now()];
  assertProblem(await tenant.call("POST", "/v1/clock/advance", { body: { by: "1d" } }), 403, "forbidden");
  assert.deepEqual(time.now(), at);
});

test("one advance at a time; an API that stops says where the clock stands", async () => {
  const begun = Promise.withResolvers<void>();
  move = begun.resolve;
  const { operator } = api;
  const stopped = operator.call("POST", "/v1/clock/advance", { body: { by: "1d" } });
  await begun.promise;
  assert.ok((await operator.call("GET", "/v1/clock")).body.advancingTo);
  assertProblem(
    await operator.call("POST", "/v1/clock/advance", { body: { by: "1d" } }),
    409,
    "clock_advancing",
  );
  api.stopServing();
  const answer = await stopped;
  assertProblem(answer, 503, "clock_stopped");
  assert.ok(answer.body.detail.includes(time.now().toISOString()));
});

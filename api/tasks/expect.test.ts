import assert from "node:assert/strict";
import { test } from "node:test";
import { watchExpectations } from "../../core/store/expectations/watch.ts";
import { untilEventsSettled } from "../../core/store/testing/test-store.ts";
import { openApi, type TestCaller } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const { newTenant, store } = await openApi();
const later = { schedule: { every: "1h", timezone: "Europe/Rome" } };
const task = (fields: object = {}) => ({ type: "http", url: "https://example.com/", ...fields }) as never;

const make = async (tenant: TestCaller, fields: object) => {
  const { status, body } = await tenant.call("POST", "/v1/tasks", { body: task(fields) });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
};

test("an expectation is shown as it was given, replaced by a change, and told in a difference", async () => {
  const tenant = await newTenant();
  const made = await make(tenant, { key: "backup", ...later, expect: { within: "120m" } });
  assert.deepEqual(made.expect, { within: "2h" });
  const change = async (expect: object | null) =>
    (await tenant.call("PATCH", "/v1/tasks/backup", { body: { expect } as never })).body.expect;
  assert.deepEqual(await change({ by: "08:00" }), { by: "08:00" });
  assert.deepEqual(await change({ within: "1h", by: null }), { within: "1h" });
  const put = (expect: object | null, query = "") =>
    tenant.call("PUT", `/v1/tasks/backup${query}`, { body: task({ ...later, expect }) });
  const { body } = await put({ by: "08:00" }, "?dryRun=true");
  assert.deepEqual(
    body.diff.map(({ field }: { field: string }) => field),
    ["expect.by", "expect.within"],
  );
  assert.deepEqual((await put({ by: "08:00" })).body.expect, { by: "08:00" });
  assert.equal((await put({ by: "08:00" }, "?dryRun=true")).body.change, "unchanged");
  assert.equal(await change(null), null);
});

test("what it cannot be is a 422 that names the field, wherever tasks are made, and changes nothing", async () => {
  const tenant = await newTenant();
  await make(tenant, { key: "backup", ...later, expect: { within: "1h" } });
  const bad: [unknown, string][] = [
    [{ within: "1h", by: "08:00" }, "expect"],
    [{}, "expect"],
    [{ within: "soon" }, "expect.within"],
    [{ by: "25:00" }, "expect.by"],
    [{ until: "08:00" }, "expect.until"],
    ["2h", "expect"],
  ];
  for (const [expect, field] of bad) {
    const fields = task({ ...later, expect });
    assertProblem(await tenant.call("POST", "/v1/tasks", { body: fields }), 422, "invalid_input", [field]);
    for (const [method, body] of [
      ["PUT", fields],
      ["PATCH", { expect } as never],
    ] as const)
      assertProblem(await tenant.call(method, "/v1/tasks/backup", { body }), 422, "invalid_input", [field]);
  }
  const { items } = (await tenant.call("GET", "/v1/tasks")).body;
  assert.deepEqual(
    items.map(({ expect }: { expect: object }) => expect),
    [{ within: "1h" }],
  );
});

test("a run that is late shows it, is found by it, and is told by an event; another tenant sees nothing", async () => {
  const tenant = await newTenant();
  const other = await newTenant();
  const { runId } = await make(tenant, { expect: { within: "1h" } });
  const { runId: inTime } = await make(tenant, { expect: { within: "4h" } });
  await make(other, {});
  await watchExpectations(store, new Date(Date.now() + 2 * 3_600_000), 100);
  assert.equal((await tenant.call("GET", `/v1/runs/${runId}`)).body.expectation, "missed");
  assert.equal((await tenant.call("GET", `/v1/runs/${inTime}`)).body.expectation, undefined);
  const find = async (caller: TestCaller) =>
    (await caller.call("GET", "/v1/runs?expectation=missed")).body.items.map(
      ({ id, expectation }: { id: string; expectation: string }) => [id, expectation],
    );
  assert.deepEqual([await find(tenant), await find(other)], [[[runId, "missed"]], []]);
  assertProblem(await tenant.call("GET", "/v1/runs?expectation=met"), 422, "invalid_input", ["expectation"]);
  await untilEventsSettled(store);
  const late = async (caller: TestCaller) =>
    (await caller.call("GET", "/v1/events")).body.items.filter(
      ({ type }: { type: string }) => type === "bellhop.run.late",
    );
  const [{ subject, data }, ...more] = await late(tenant);
  assert.deepEqual([subject, data.runId, more], [`runs/${runId}`, runId, []]);
  assert.equal(Date.parse(data.dueAt), Date.parse(data.scheduledFor) + 3_600_000);
  assert.deepEqual(await late(other), []);
});

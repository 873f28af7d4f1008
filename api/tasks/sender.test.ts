import assert from "node:assert/strict";
import { test } from "node:test";
import type { MailFacts } from "../environment.ts";
import { openApi } from "../testing/open-api.ts";
import { assertProblem } from "../testing/problem.ts";

const EMAIL = { type: "email", to: "ada@example.com", subject: "Hello", body: "On time." } as const;
const open = (defaultSender: MailFacts["defaultSender"]) =>
  openApi({ mail: { isCaptured: false, defaultSender } });
const [withNone, withOne, untold] = [await open("none"), await open("given"), await open("unknown")];

test("where there is no sender for it, an e-mail that names none is refused when it is made", async () => {
  const tenant = await withNone.newTenant();
  const before = await withNone.countRows();
  const answer = await tenant.call("POST", "/v1/tasks", { body: EMAIL });
  assertProblem(answer, 422, "invalid_input", ["from"]);
  assert.match(JSON.stringify(answer.body), /EMAIL_FROM/);
  assert.deepEqual(await withNone.countRows(), before);
  const body = { ...EMAIL, from: "bellhop@example.com" };
  assert.equal((await tenant.call("POST", "/v1/tasks", { body })).status, 201);
});

test("so is a callback by e-mail, of a task and of the settings", async () => {
  const tenant = await withNone.newTenant();
  const on = { failure: [{ type: "email", to: "ops@example.com" }] };
  const body = { type: "http", url: "https://example.com/", on };
  assertProblem(await tenant.call("POST", "/v1/tasks", { body }), 422, "invalid_input", ["on.failure.0.to"]);
  const put = await tenant.call("PUT", "/v1/settings", { body: { on } });
  assertProblem(put, 422, "invalid_input", ["on.failure.0.to"]);
  assert.equal((await (await withOne.newTenant()).call("POST", "/v1/tasks", { body })).status, 201);
});

test("a change cannot take the only sender away", async () => {
  const tenant = await withNone.newTenant();
  const body = { ...EMAIL, from: "bellhop@example.com", schedule: { delay: "1h" } };
  const path = `/v1/tasks/${(await tenant.call("POST", "/v1/tasks", { body })).body.id}`;
  assertProblem(await tenant.call("PATCH", path, { body: { from: null } }), 422, "invalid_input", ["from"]);
  assert.equal((await tenant.call("GET", path)).body.from, "bellhop@example.com");
  assert.equal((await tenant.call("PATCH", path, { body: { subject: "Other" } })).status, 200);
});

test("with a sender for it, or where the API was told nothing, it is taken", async () => {
  for (const api of [withOne, untold]) {
    const tenant = await api.newTenant();
    assert.equal((await tenant.call("POST", "/v1/tasks", { body: EMAIL })).status, 201);
  }
});

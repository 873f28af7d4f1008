import assert from "node:assert/strict";
import { test } from "node:test";
import { diffTask, toEditable } from "./edit-task.ts";

test("what is the API's own, or not set, is not edited", () => {
  assert.deepEqual(toEditable({ id: "1", state: "active", name: null, url: "http://a", timeout: "1m" }), {
    ...{ url: "http://a", timeout: "1m" },
  });
});

test("a patch has what differs: nested, and null for what was left out", () => {
  const before = {
    url: "http://a",
    labels: { team: "x", app: "y" },
    schedule: { every: "1h" },
    timeout: "1m",
  };
  const after = { url: "http://a", labels: { team: "z" }, schedule: { cron: "0 9 * * *" }, name: "nightly" };
  const { patch, diff } = diffTask(before, after);
  assert.deepEqual(patch, {
    ...{ labels: { team: "z", app: null }, schedule: { every: null, cron: "0 9 * * *" } },
    ...{ timeout: null, name: "nightly" },
  });
  assert.deepEqual(
    diff.map(({ field }) => field),
    ["labels", "schedule", "timeout", "name"],
  );
});

test("lists are replaced as a whole", () => {
  assert.deepEqual(diffTask({ expectStatus: [200] }, { expectStatus: [200, 201] }).patch, {
    expectStatus: [200, 201],
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Expectations,
  judge,
  parseExpectations,
  readExpectations,
  skipReason,
  updated,
} from "./expectations.ts";

const FILE = "url/a.any.js";
const expectations: Expectations = {
  skipped: [{ files: "^url/(b|c)\\.", reason: "Needs the tests' server." }],
  groups: [
    { kind: "browser", reason: "No pages.", failures: { [FILE]: ["/^page .*\\n?end$/", "page one end"] } },
    { kind: "engine", reason: "V8.", failures: { [FILE]: ["engine"], "url/z.any.js": ["other"] } },
  ],
};

test("an exact name is expected, any other failure is not", () => {
  assert.deepEqual(judge(expectations, FILE, ["engine", "engine two", "page one end", "page 2 end"]), {
    expected: { engine: 1, browser: 2 },
    unexpected: ["engine two"],
    stale: [],
  });
});

test("a pattern covers every name it matches, line breaks included, and is no name itself", () => {
  const names = ["page a\nend", "page b end", "/^page .*\\n?end$/"];
  const { expected, unexpected } = judge(expectations, FILE, names);
  assert.deepEqual(expected, { browser: 2 });
  assert.deepEqual(unexpected, ["/^page .*\\n?end$/"]);
});

test("an expectation nothing failed under is stale, in this file only", () => {
  assert.deepEqual(judge(expectations, FILE, ["page one end"]).stale.sort(), [
    "/^page .*\\n?end$/",
    "engine",
  ]);
  assert.deepEqual(judge(expectations, "url/unknown.any.js", []).stale, []);
});

test("what fails by the clock may pass", () => {
  const group = {
    kind: "ours",
    reason: "The clock.",
    isIntermittent: true,
    failures: { [FILE]: ["now"] },
  } as const;
  const clock = { skipped: [], groups: [{ ...group, failures: { [FILE]: ["now"] } }] };
  assert.deepEqual(judge(clock, FILE, []).stale, []);
  assert.deepEqual(judge(clock, FILE, ["now"]).expected, { ours: 1 });
});

test("an exact name goes before a pattern that would match it too", () => {
  const { stale } = judge(expectations, FILE, ["page one end", "engine"]);
  assert.deepEqual(stale, ["/^page .*\\n?end$/"]);
});

test("an update takes stale names out and puts new failures into a group to be judged", () => {
  const judged = judge(expectations, FILE, ["page one end", "new one", "new one"]);
  const { groups, skipped } = updated(expectations, FILE, judged);
  assert.deepEqual(skipped, expectations.skipped);
  assert.deepEqual(groups, [
    { kind: "browser", reason: "No pages.", failures: { [FILE]: ["page one end"] } },
    { kind: "engine", reason: "V8.", failures: { "url/z.any.js": ["other"] } },
    { kind: "new", reason: "Not judged yet.", failures: { [FILE]: ["new one"] } },
  ]);
});

test("after an update nothing is a surprise", () => {
  const names = ["page 2 end", "new one"];
  const after = updated(expectations, FILE, judge(expectations, FILE, names));
  const { unexpected, stale } = judge(after, FILE, names);
  assert.deepEqual([unexpected, stale], [[], []]);
});

test("a group that expects nothing any more goes", () => {
  const only = { skipped: [], groups: [expectations.groups[0]!] };
  assert.deepEqual(updated(only, FILE, judge(only, FILE, [])).groups, []);
});

test("files are skipped by their path, with a reason", () => {
  assert.equal(skipReason(expectations, "url/b.any.js"), "Needs the tests' server.");
  assert.equal(skipReason(expectations, "url/d.any.js"), undefined);
});

test("a kind nobody knows is refused, and a group without a reason", () => {
  assert.throws(
    () => parseExpectations('{"groups":[{"kind":"luck","reason":"x","failures":{}}]}'),
    /kind "luck"/,
  );
  assert.throws(() => parseExpectations('{"groups":[{"kind":"ours","failures":{}}]}'), /reason/);
});

test("the expectations of this repository have the form, and none waits to be judged", () => {
  const { groups, skipped } = readExpectations();
  assert.deepEqual(
    groups.filter(({ kind }) => kind === "new"),
    [],
  );
  for (const { files } of skipped) assert.ok(new RegExp(files));
});

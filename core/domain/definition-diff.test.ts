import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, type Random } from "../../test/support/random.ts";
import type { Json, JsonObject } from "../json.ts";
import { JsonSource } from "../json-source.ts";
import { diffDefinitions, MAX_SHOWN_CHARS } from "./definition-diff.ts";

const diff = (from: JsonObject, to: JsonObject, own?: string) => diffDefinitions(from, to, own);

test("what differs is told by its path, with what was and what is; what is the same is not told", () => {
  const from = {
    name: "a",
    retry: { maxAttempts: 5, backoff: { factor: 2 } },
    labels: { app: "x", old: "1" },
  };
  const to = { name: "b", retry: { maxAttempts: 5, backoff: { factor: 3 } }, labels: { app: "x", new: "2" } };
  assert.deepEqual(diff(from, to), [
    { field: "name", from: "a", to: "b" },
    { field: "retry.backoff.factor", from: 2, to: 3 },
    { field: "labels.new", to: "2" },
    { field: "labels.old", from: "1" },
  ]);
  assert.deepEqual(diff(from, structuredClone(from)), []);
});

test("lists, the author's own JSON and what becomes another kind of thing differ as a whole", () => {
  assert.deepEqual(diff({ to: ["a", "b"] }, { to: ["a"] }), [{ field: "to", from: ["a", "b"], to: ["a"] }]);
  assert.deepEqual(diff({ input: { a: { b: 1 } } }, { input: { a: { b: 2 } } }, "input"), [
    { field: "input", from: { a: { b: 1 } }, to: { a: { b: 2 } } },
  ]);
  // A label may be called like it.
  assert.deepEqual(diff({ labels: { input: { a: 1 } } }, { labels: { input: { a: 2 } } }, "input"), [
    { field: "labels.input.a", from: 1, to: 2 },
  ]);
  assert.deepEqual(diff({ on: null }, { on: {} }), [{ field: "on", from: null, to: {} }]);
});

test("JSON that is kept to the letter differs by its letters", () => {
  const source = (text: string) => new JsonSource(text) as unknown as Json;
  assert.deepEqual(diff({ body: source("[1]") }, { body: source("[1]") }, "body"), []);
  const [change] = diff({ body: source("[1]") }, { body: source("[1.0]") }, "body");
  assert.deepEqual([change?.field, change?.from], ["body", source("[1]")]);
});

test("a value that is long is told to have changed, without it", () => {
  const long = "x".repeat(MAX_SHOWN_CHARS - 2);
  assert.deepEqual(diff({ html: "" }, { html: long }), [{ field: "html", from: "", to: long }]);
  assert.deepEqual(diff({ html: "" }, { html: `${long}x` }), [{ field: "html", truncated: true }]);
});

function drawJson(random: Random, depth: number): Json {
  if (depth === 0 || random.next() < 0.4) return random.pick([null, 0, 1, "a", true, [1], ["b"]]);
  const names = ["a", "b", "c", "__proto__", "constructor"].filter(() => random.next() < 0.5);
  return Object.fromEntries(names.map((name) => [name, drawJson(random, depth - 1)]));
}

/** What the changes make of the first, path by path; an object without anything in it is none. */
function applyTo(from: Json, changes: ReturnType<typeof diff>): Json {
  const flat = new Map(flatten(from));
  for (const { field, to } of changes) {
    for (const path of [...flat.keys()])
      if (path === field || path.startsWith(`${field}.`)) flat.delete(path);
    if (to !== undefined) for (const [path, value] of flatten(to, field)) flat.set(path, value);
  }
  return Object.fromEntries([...flat].sort()) as Json;
}

function flatten(value: Json, path = ""): [string, Json][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([name, each]) =>
    flatten(each, path === "" ? name : `${path}.${name}`),
  );
}

test("the differences are exactly those: made in the one they give the other", () => {
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = createRandom(seed);
    const [from, to] = [0, 1].map(() => ({ z: 1, ...(drawJson(random, 3) as object) })) as JsonObject[];
    const changes = diff(from!, to!);
    assert.deepEqual(applyTo(from!, changes), Object.fromEntries(flatten(to!).sort()), `seed ${seed}`);
    assert.equal(
      changes.length === 0,
      JSON.stringify(sorted(from!)) === JSON.stringify(sorted(to!)),
      `seed ${seed}`,
    );
  }
});

const sorted = (value: Json): Json =>
  typeof value !== "object" || value === null || Array.isArray(value)
    ? value
    : Object.fromEntries(
        Object.entries(value)
          .map(([name, each]) => [name, sorted(each)] as const)
          .sort(),
      );

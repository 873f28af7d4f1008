/** The probe must find what it looks for: here it runs where a host's objects are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { searchHost, tryDoors } from "./probe.ts";

test("finds a host's objects behind properties, accessors, prototypes and array elements", () => {
  const hidden = {
    a: [{ b: new Map([[1, 2]]), deep: { callback: new (class Callback {})() } }],
    get lazy() {
      return { process };
    },
  };
  const found = searchHost({ hidden });
  assert.ok(found.includes("hidden.a.0.deep.callback is a host's Callback"), found.slice(0, 5).join("\n"));
  assert.ok(found.some((text) => text.startsWith("hidden.lazy.process is a host's process")));
});

test("finds objects and functions of another realm", () => {
  const foreign = runInNewContext("({ object: {}, call() {}, error: new Error() })") as object;
  const found = searchHost({ foreign });
  for (const path of ["foreign", "foreign.object", "foreign.call", "foreign.error"]) {
    assert.ok(found.includes(`${path} is of another realm`), path);
  }
});

test("finds texts of the inside", () => {
  assert.deepEqual(searchHost({ stack: "Error\n    at load (node:internal/modules:1:1)" }), [
    "stack says Error\n    at load (node:internal/modules:1:1)",
  ]);
});

test("finds nothing among plain values", () => {
  class Own {
    value = 1;
  }
  const circle: Record<string, unknown> = { list: [1, "text"], none: Object.create(null), own: new Own() };
  circle["self"] = circle;
  // The stacks of errors that getters throw here are Node's.
  const found = searchHost({ circle }).filter((text) => !text.includes(".stack says"));
  assert.deepEqual(found, []);
});

test("sees what functions that are made through a door can name", () => {
  const door: unknown = runInNewContext("() => 1", { process: {} });
  const [first] = tryDoors({ door });
  assert.equal(first, "door: |process");
});

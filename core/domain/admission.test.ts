import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ClaimLine, decideAdmission, decideStarts } from "./admission.ts";

const free = (counts: Record<string, number>) => new Map(Object.entries(counts));
const idsOf = (runs: { id: string }[]) => runs.map(({ id }) => id).join();
const run = (id: string, ...keys: string[]) => ({ id, keys });

describe("decideAdmission", () => {
  test("permits go down the line; who comes too late is told for which key it waits", () => {
    const { admitted, refused } = decideAdmission(
      [run("a", "f"), run("b", "f"), run("c", "f")],
      free({ f: 2 }),
    );
    assert.equal(idsOf(admitted), "a,b");
    assert.deepEqual(refused, [{ id: "c", key: "f" }]);
  });

  test("a run with two keys starts only where both have a permit, and takes none where one has not", () => {
    const line = [run("a", "f", "q"), run("b", "f", "q"), run("c", "f")];
    const { admitted, refused } = decideAdmission(line, free({ f: 2, q: 1 }));
    assert.equal(idsOf(admitted), "a,c", "b left its permit of f to c");
    assert.deepEqual(refused, [{ id: "b", key: "q" }]);
  });

  test("a key without a limit stops nobody; a limit below what runs already stops everybody", () => {
    assert.equal(idsOf(decideAdmission([run("a", "none"), run("b")], free({})).admitted), "a,b");
    assert.deepEqual(decideAdmission([run("a", "f")], free({ f: -1 })).refused, [{ id: "a", key: "f" }]);
  });

  test("what it was given is not changed", () => {
    const given = free({ f: 1 });
    decideAdmission([run("a", "f")], given);
    assert.equal(given.get("f"), 1);
  });
});

describe("decideStarts", () => {
  const asked = (...ids: string[]) =>
    ids.map((id) => ({ ...run(id, "f"), isAsked: true, suitsWorker: true }));
  const waiting = (...ids: string[]) =>
    ids.map((id) => ({ ...run(id, "f"), isAsked: false, suitsWorker: true }));
  const decide = (given: Partial<ClaimLine>) => {
    const line = given.line ?? [];
    const slots = line.filter(({ isAsked }) => isAsked).length;
    const decision = decideStarts({ slots, line, granted: [], free: free({ f: 2 }), ...given });
    return {
      start: idsOf(decision.start),
      granted: decision.startGranted.join(),
      hold: idsOf(decision.hold),
    };
  };

  test("the oldest of those asked for start, the others wait", () => {
    assert.deepEqual(decide({ line: asked("a", "b", "c") }), { start: "a,b", granted: "", hold: "c" });
  });

  test("who waits starts before who is new, in the new one's slot", () => {
    const line = [...waiting("old"), ...asked("new")];
    assert.deepEqual(decide({ line, free: free({ f: 1 }) }), { start: "old", granted: "", hold: "new" });
  });

  test("who was granted its permits starts before who waits, in a slot that is left", () => {
    const line = [...waiting("old"), ...asked("new")];
    const given = { line, granted: ["first"], free: free({ f: 0 }) };
    assert.deepEqual(decide(given), { start: "", granted: "first", hold: "new" });
  });

  test("what the worker cannot take keeps its turn: it does not start, and nobody gets its permit", () => {
    const line = [
      ...waiting("long").map((run) => ({ ...run, suitsWorker: false })),
      ...asked("new", "newer"),
    ];
    assert.deepEqual(decide({ line }), { start: "new", granted: "", hold: "newer" });
    assert.deepEqual(decide({ line, free: free({ f: 1 }) }), { start: "", granted: "", hold: "new,newer" });
  });

  test("no more start than there are slots", () => {
    const given = { line: [...waiting("a", "b"), ...asked("c")], granted: ["x", "y"], free: free({ f: 2 }) };
    assert.deepEqual(decide(given), { start: "", granted: "x", hold: "c" });
    assert.deepEqual(decide({ line: asked("a"), granted: ["x"] }), { start: "a", granted: "", hold: "" });
  });

  test("what nobody asked for any more is left where it is", () => {
    assert.deepEqual(decide({ line: waiting("a"), slots: 0 }), { start: "", granted: "", hold: "" });
  });
});

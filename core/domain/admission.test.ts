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
    ids.map((id) => ({ ...run(id, "f"), priority: 50, isAsked: true, suitsWorker: true }));
  const waiting = (...ids: string[]) =>
    ids.map((id) => ({ ...run(id, "f"), priority: 50, isAsked: false, suitsWorker: true }));
  const decide = (given: Partial<ClaimLine>) => {
    const line = given.line ?? [];
    const slots = line.filter(({ isAsked }) => isAsked).length;
    const decision = decideStarts({ slots, line, granted: [], yielding: [], free: free({ f: 2 }), ...given });
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

  describe("a run that is asked for, and was turned away", () => {
    const urgent = (id: string, ...keys: string[]) => ({
      ...run(id, ...keys),
      ...{ priority: 80, isAsked: true, suitsWorker: true },
    });
    const given = (id: string, priority: number, ...permits: string[]) => ({ id, priority, permits });
    const none = { slots: 2, granted: [], free: free({ f: 0, g: 0 }) };

    test("starts with the permits of a granted one of a lower priority, of the last", () => {
      const line = [urgent("a", "f")];
      const yielding = [given("x", 50, "f"), given("y", 50, "f")];
      const { start, startGranted, hold } = decideStarts({ ...none, line, granted: ["x", "y"], yielding });
      assert.deepEqual(start, [{ ...run("a", "f"), insteadOf: { id: "y", key: "f" } }]);
      assert.deepEqual([startGranted, hold], [["x"], [{ id: "y", key: "f" }]]);
    });

    test("waits where the granted one has the same priority, or not what it needs", () => {
      const hold = [{ id: "a", key: "f" }];
      const line = [urgent("a", "f", "g")];
      for (const yielding of [[given("x", 80, "f", "g")], [given("x", 50, "f")], [given("x", 50, "g")]])
        assert.deepEqual(decideStarts({ ...none, line, yielding }), { start: [], startGranted: [], hold });
    });

    test("leaves to nobody what it does not need: whose that was may have started meanwhile", () => {
      const line = [urgent("a", "f"), urgent("b", "f", "g")];
      const yielding = [given("y", 50, "f"), given("x", 50, "f", "g")];
      const { start, hold } = decideStarts({ ...none, line, yielding });
      assert.equal(idsOf(start), "a");
      assert.deepEqual(hold, [
        { id: "b", key: "f" },
        { id: "x", key: "f" },
      ]);
    });

    test("starts in the place of none that has no permit of the key for which it was turned away", () => {
      const line = [urgent("a", "q"), urgent("b", "f"), urgent("c", "other")];
      const yielding = [given("x", 50, "other"), given("y", 50, "q", "f")];
      const { start, hold } = decideStarts({
        ...none,
        line,
        yielding,
        free: free({ q: 0, f: 0, other: 0 }),
      });
      assert.deepEqual(
        start.map(({ id, insteadOf }) => [id, insteadOf?.id]),
        [
          ["a", "y"],
          ["c", "x"],
        ],
      );
      assert.equal(idsOf(hold), "b,y,x");
    });
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { decideAdmission, type FunctionQueue } from "./admission.ts";

const queue = (given: Partial<FunctionQueue>): FunctionQueue => ({
  ...{ limit: 2, running: 0, offered: [], awaited: [], asked: [] },
  ...given,
});

test("as many start as there is room, the others wait", () => {
  assert.deepEqual(decideAdmission(queue({ asked: ["a", "b", "c"] })), { start: ["a", "b"], hold: ["c"] });
  assert.deepEqual(decideAdmission(queue({ running: 1, asked: ["a", "b"] })), { start: ["a"], hold: ["b"] });
});

test("a full function starts nothing, an overfull one neither", () => {
  for (const running of [2, 5])
    assert.deepEqual(decideAdmission(queue({ running, asked: ["a"] })), { start: [], hold: ["a"] });
});

test("without a limit everything asked for starts", () => {
  const asked = ["a", "b", "c"];
  assert.deepEqual(decideAdmission(queue({ limit: null, running: 9, asked })), { start: asked, hold: [] });
});

test("who waited comes first, in the slot of who came last", () => {
  const given = { running: 1, awaited: ["old"], asked: ["new"] };
  assert.deepEqual(decideAdmission(queue(given)), { start: ["old"], hold: ["new"] });
});

test("room that was offered to another is kept for it, and not taken from it where both fit", () => {
  const given = { offered: ["old"], asked: ["new"] };
  assert.deepEqual(decideAdmission(queue(given)), { start: ["new"], hold: [] });
  assert.deepEqual(decideAdmission(queue({ ...given, running: 1 })), { start: ["old"], hold: ["new"] });
});

test("an offered run that is asked for counts once", () => {
  const given = { running: 1, offered: ["old"], awaited: ["next"], asked: ["old"] };
  assert.deepEqual(decideAdmission(queue(given)), { start: ["old"], hold: [] });
});

test("never more start than were asked for, than fit, and nobody is lost", () => {
  for (let running = 0; running <= 3; running += 1) {
    for (let asked = 0; asked <= 4; asked += 1) {
      const given = queue({
        ...{ limit: 3, running, offered: ["o1", "n0"], awaited: ["w1", "w2", "w3"] },
        asked: Array.from({ length: asked }, (_, index) => `n${index}`),
      });
      const { start, hold } = decideAdmission(given);
      assert.ok(start.length <= asked && start.length <= 3 - running);
      assert.equal(new Set([...start, ...hold]).size, start.length + hold.length);
      for (const id of given.asked) assert.ok(start.includes(id) || hold.includes(id));
    }
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { createManualClock } from "../../test/support/manual-clock.ts";
import { createCallerDemand } from "./caller-demand.ts";

function open() {
  const clock = createManualClock();
  const words: string[] = [];
  const parts = { isAway: false, errors: 0 };
  const demand = createCallerDemand({
    async tell(callers) {
      if (parts.isAway) throw new Error("away");
      words.push(String(callers));
    },
    ring: (revisionId) => void words.push(revisionId === undefined ? "ring" : `ring for ${revisionId}`),
    clock,
    onError: () => void parts.errors++,
  });
  return { clock, words, parts, demand };
}

test("the first caller is told of at once, and the bell is rung; a burst after it in one word", async () => {
  const { clock, words, demand } = open();
  for (let callers = 1; callers <= 100; callers += 1) demand.set(callers);
  await clock.advance(0);
  assert.deepEqual(words, ["1", "ring"]);
  await clock.advance(100);
  assert.deepEqual(words.slice(2), ["100", "ring"]);
});

test("who is offered to a worker for a moment has not left; when all have, that is told once, without a bell", async () => {
  const { clock, words, demand } = open();
  demand.set(3);
  await clock.advance(50);
  demand.set(0);
  demand.set(3);
  await clock.advance(500);
  assert.deepEqual(words, ["3", "ring"]);
  demand.set(0);
  await clock.advance(1_000);
  assert.deepEqual(words.slice(2), ["0"]);
  assert.equal(clock.sleepers, 0);
});

test("what is still true is told anew before it lapses", async () => {
  const { clock, words, demand } = open();
  demand.set(2);
  await clock.advance(5_000);
  assert.deepEqual(words, ["2", "ring", "2", "2"]);
});

test("what could not be told is tried again", async () => {
  const { clock, words, parts, demand } = open();
  parts.isAway = true;
  demand.expect("r1");
  demand.set(1);
  await clock.advance(250);
  demand.expect("r2");
  assert.deepEqual([words, parts.errors], [[], 3]);
  parts.isAway = false;
  await clock.advance(100);
  assert.deepEqual(words, ["1", "ring for r1"]);
});

test("the bell names the revision of a call that has come since the word before", async () => {
  const { clock, words, demand } = open();
  demand.expect("r1");
  demand.set(1);
  demand.expect("r2");
  demand.set(2);
  await clock.advance(0);
  assert.deepEqual(words, ["1", "ring for r1"]);
  await clock.advance(100);
  assert.deepEqual(words.slice(2), ["2", "ring for r2"]);
  demand.set(3);
  await clock.advance(100);
  assert.deepEqual(words.slice(4), ["3", "ring"]);
});

test("an API that stops takes back what it told, and tells nothing more", async () => {
  const { clock, words, demand } = open();
  demand.set(1);
  await clock.advance(0);
  await demand.close();
  assert.deepEqual(words, ["1", "ring", "0"]);
  demand.set(5);
  await clock.advance(1_000);
  assert.equal(words.length, 3);
});

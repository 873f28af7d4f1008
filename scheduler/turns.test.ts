import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createTurns } from "./turns.ts";

/** Each is at work from when it begins until it is told to end. */
function open() {
  const clock = createManualClock();
  const turns = createTurns(clock);
  const stopping = new AbortController();
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<void>>();
  const act = (name: string) => async () => {
    begun.push(name);
    ends.set(name, Promise.withResolvers());
    await ends.get(name)!.promise;
    return name;
  };
  return {
    ...{ clock, turns, stopping, begun },
    take: (name: string) => turns.take(act(name), stopping.signal),
    takeFirst: (name: string) => turns.takeFirst(act(name), stopping.signal),
    async end(name: string) {
      ends.get(name)!.resolve();
      await setImmediate();
    },
  };
}

test("one begins after the other, in the order in which they came", async () => {
  const { begun, take, end } = open();
  const all = [take("a"), take("b"), take("c")];
  await setImmediate();
  assert.deepEqual(begun, ["a"]);
  await end("a");
  assert.deepEqual(begun, ["a", "b"]);
  await end("b");
  await end("c");
  assert.deepEqual(await Promise.all(all), ["a", "b", "c"]);
});

test("who goes first waits for the one at work, and for who goes first and came before", async () => {
  const { begun, clock, take, takeFirst, end } = open();
  const all = [take("a"), take("b"), takeFirst("look"), takeFirst("figures")];
  await setImmediate();
  assert.deepEqual(begun, ["a"]);
  await end("a");
  assert.deepEqual(begun, ["a", "look"]);
  await end("look");
  assert.deepEqual(begun, ["a", "look", "figures"]);
  await end("figures");
  assert.deepEqual(begun, ["a", "look", "figures", "b"]);
  await end("b");
  await Promise.all(all);
  assert.equal(clock.sleepers, 0);
});

test("who goes first waits for a moment at most, others for five seconds of the one at work", async () => {
  const { begun, clock, take, takeFirst, end } = open();
  const all = [take("hangs"), takeFirst("look"), take("waits"), take("next")];
  await clock.advance(99);
  assert.deepEqual(begun, ["hangs"]);
  await clock.advance(1);
  assert.deepEqual(begun, ["hangs", "look"]);
  await end("look");
  await clock.advance(4_899);
  assert.deepEqual(begun, ["hangs", "look"]);
  await clock.advance(1);
  assert.deepEqual(begun, ["hangs", "look", "waits"]);
  await end("hangs");
  assert.equal(begun.length, 3, "those who come later still come one after the other");
  await end("waits");
  assert.equal(begun[3], "next");
  await end("next");
  await Promise.all(all);
  assert.equal(clock.sleepers, 0);
});

test("a later round does not wait for who has hung for five seconds", async () => {
  const { begun, clock, take, takeFirst, end } = open();
  const all = [take("hangs"), take("a")];
  await clock.advance(5_000);
  await end("a");
  assert.deepEqual(begun, ["hangs", "a"]);
  all.push(take("b"), take("c"), takeFirst("look"));
  await setImmediate();
  assert.deepEqual(begun.slice(2), ["b"]);
  await end("b");
  await end("look");
  await end("c");
  assert.deepEqual(begun.slice(2), ["b", "look", "c"]);
  await end("hangs");
  all.push(take("d"));
  await setImmediate();
  await end("d");
  await Promise.all(all);
  assert.equal(clock.sleepers, 0);
});

test("all who wait begin when they are told to hurry", async () => {
  const { begun, clock, turns, take, takeFirst, end } = open();
  const all = [take("a"), take("b"), takeFirst("look"), take("c")];
  turns.hurry();
  await setImmediate();
  assert.deepEqual(begun.sort(), ["a", "b", "c", "look"]);
  for (const name of begun) await end(name);
  await Promise.all(all);
  assert.equal(clock.sleepers, 0);
});

test("who fails lets the next one begin; who is stopped while it waits does not begin", async () => {
  const { begun, clock, turns, stopping, take, takeFirst, end } = open();
  const failing = assert.rejects(turns.take(() => Promise.reject(new Error("fails")), stopping.signal));
  const all = [take("a"), take("b")];
  await failing;
  await setImmediate();
  assert.deepEqual(begun, ["a"]);
  all.push(takeFirst("look"));
  stopping.abort();
  assert.deepEqual([await all[1], await all[2]], [undefined, undefined]);
  await end("a");
  assert.deepEqual([await all[0], await take("c"), await takeFirst("look")], ["a", undefined, undefined]);
  assert.deepEqual([begun, clock.sleepers], [["a"], 0]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { createInputRoom } from "./input-room.ts";

const NEVER = new AbortController().signal;

/** What became of an asking so far. */
function ask(room: ReturnType<typeof createInputRoom>, bytes: number, signal = NEVER) {
  const asked: { state: "waits" | "has room" | "left"; release(): void } = { state: "waits", release() {} };
  void room.take(bytes, signal).then((release) => {
    asked.state = release ? "has room" : "left";
    asked.release = release ?? (() => {});
  });
  return asked;
}
const settle = () => new Promise(setImmediate);

test("what fits has room at once, and what does not waits for what was given back", async () => {
  const room = createInputRoom(100);
  const [first, second, third] = [ask(room, 60), ask(room, 50), ask(room, 40)];
  await settle();
  assert.deepEqual([first.state, second.state, third.state], ["has room", "waits", "waits"]);
  assert.ok(room.isFull());
  first.release();
  await settle();
  assert.deepEqual([second.state, third.state], ["has room", "has room"]);
  assert.ok(!room.isFull());
});

test("who does not wait has room at once or not at all, and overtakes nobody", async () => {
  const room = createInputRoom(100);
  const leave = room.tryTake(70);
  assert.ok(leave);
  assert.equal(room.tryTake(40), undefined);
  assert.ok(!room.isFull());
  const waits = ask(room, 40);
  assert.equal(room.tryTake(1), undefined);
  leave();
  await settle();
  assert.equal(waits.state, "has room");
  assert.ok(room.tryTake(60));
});

test("nobody overtakes one that waits, however small", async () => {
  const room = createInputRoom(100);
  const [first, large, small] = [ask(room, 60), ask(room, 90), ask(room, 1)];
  await settle();
  assert.equal(small.state, "waits");
  first.release();
  await settle();
  assert.deepEqual([large.state, small.state], ["has room", "has room"]);
});

test("one that is larger than all of the room has it alone", async () => {
  const room = createInputRoom(100);
  const [small, huge] = [ask(room, 1), ask(room, 500)];
  await settle();
  assert.equal(huge.state, "waits");
  small.release();
  await settle();
  assert.equal(huge.state, "has room");
  const next = ask(room, 1);
  await settle();
  assert.equal(next.state, "waits");
});

test("who is told when none waits any more hears it once: after a release, and after the last one has left", async () => {
  const room = createInputRoom(100);
  let told = 0;
  room.onFree(() => {
    told += 1;
  });
  const leaving = new AbortController();
  const [first, second] = [ask(room, 100), ask(room, 100, leaving.signal)];
  await settle();
  leaving.abort();
  await settle();
  assert.deepEqual([second.state, told, room.isFull()], ["left", 1, false]);
  const third = ask(room, 100);
  await settle();
  first.release();
  first.release();
  await settle();
  assert.deepEqual([third.state, told], ["has room", 2]);
});

test("who has left before it asked gets none, and takes none", async () => {
  const room = createInputRoom(100);
  assert.equal(await room.take(100, AbortSignal.abort()), undefined);
  assert.ok(await room.take(100, NEVER));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { createSlots, MOST_RECORDING_BYTES } from "./slots.ts";

test("slots are taken and given back", () => {
  const slots = createSlots(3);
  assert.equal(slots.free(), 3);
  slots.take(2);
  assert.equal(slots.free(), 1);
  slots.release(1);
  assert.equal(slots.free(), 2);
});

test("every release calls back once, after the slots are free", () => {
  const slots = createSlots(2);
  const seen: number[] = [];
  slots.onFree(() => seen.push(slots.free()));
  slots.take(2);
  slots.release(1);
  slots.release(1);
  assert.deepEqual(seen, [1, 2]);
});

test("whenIdle resolves at once when all are free", async () => {
  await createSlots(1).whenIdle();
});

test("whenIdle resolves with the last slot given back, for everybody who waits", async () => {
  const slots = createSlots(2);
  slots.take(2);
  const idle: string[] = [];
  const waiting = Promise.all([
    slots.whenIdle().then(() => idle.push("first")),
    slots.whenIdle().then(() => idle.push("second")),
  ]);
  slots.release(1);
  await Promise.resolve();
  assert.deepEqual(idle, []);
  slots.release(1);
  await waiting;
  assert.deepEqual(idle, ["first", "second"]);
});

test("the peak is the most that were taken at once since it was last asked", () => {
  const slots = createSlots(10);
  slots.take(4);
  slots.release(4);
  assert.deepEqual([slots.peak(), slots.peak()], [4, 0]);
  slots.take(2);
  assert.deepEqual([slots.peak(), slots.peak()], [2, 2], "who is still at work counts anew");
});

test("another run may begin in the slot of one that is being recorded, and the worker is idle when that is done", async () => {
  const slots = createSlots(2);
  const seen: number[] = [];
  slots.onFree(() => seen.push(slots.free()));
  slots.take(2);
  const endRecording = slots.beginRecording(0);
  assert.deepEqual([slots.free(), slots.inWork(), seen], [1, 2, [1]]);
  slots.release(1);
  let isIdle = slots.isIdle();
  const waiting = slots.whenIdle().then(() => {
    isIdle = true;
  });
  await Promise.resolve();
  assert.deepEqual([slots.free(), slots.inWork(), isIdle], [2, 1, false]);
  endRecording();
  await waiting;
  assert.deepEqual([slots.free(), slots.inWork(), slots.isIdle()], [2, 0, true]);
});

test("no more runs than there are slots are recorded outside them, and one that is recorded leaves its place", () => {
  const slots = createSlots(2);
  slots.take(2);
  const outside = [slots.beginRecording(0), slots.beginRecording(0)];
  slots.take(2);
  const inside = [slots.beginRecording(0), slots.beginRecording(0)];
  assert.deepEqual([slots.free(), slots.inWork()], [0, 4], "the third and the fourth keep their slots");
  inside[1]!();
  assert.deepEqual([slots.free(), slots.inWork()], [1, 3], "recorded in its slot");
  outside[0]!();
  assert.deepEqual([slots.free(), slots.inWork()], [2, 2], "the third goes where there is a place now");
  assert.deepEqual([slots.peak(), slots.peak()], [2, 2], "who is being recorded is at work");
  inside[0]!();
  outside[1]!();
  assert.deepEqual([slots.free(), slots.inWork(), slots.isIdle()], [2, 0, true]);
});

test("runs outside the slots keep no more bytes than a bound, and a larger one is there alone", () => {
  const slots = createSlots(4);
  slots.take(4);
  const half = slots.beginRecording(MOST_RECORDING_BYTES / 2);
  const large = slots.beginRecording(MOST_RECORDING_BYTES + 1);
  const rest = slots.beginRecording(MOST_RECORDING_BYTES / 2);
  assert.deepEqual([slots.free(), slots.inWork()], [1, 4], "nobody overtakes the one that does not fit");
  half();
  assert.deepEqual([slots.free(), slots.inWork()], [2, 3], "the large one has all room to itself");
  const small = slots.beginRecording(0);
  assert.equal(slots.free(), 2);
  large();
  assert.deepEqual([slots.free(), slots.inWork()], [4, 2]);
  rest();
  small();
  assert.equal(slots.isIdle(), true);
});

test("of those that wait for a place, one that is recorded in its slot makes way for the next", () => {
  const slots = createSlots(3);
  slots.take(3);
  slots.beginRecording(1);
  const large = slots.beginRecording(MOST_RECORDING_BYTES);
  slots.beginRecording(1);
  assert.equal(slots.free(), 1);
  large();
  assert.deepEqual([slots.free(), slots.inWork()], [3, 2]);
});

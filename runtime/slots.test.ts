import assert from "node:assert/strict";
import { test } from "node:test";
import { createSlots } from "./slots.ts";

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
  const endRecording = slots.beginRecording();
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

test("no more runs than there are slots are recorded outside them", () => {
  const slots = createSlots(2);
  slots.take(2);
  const outside = [slots.beginRecording(), slots.beginRecording()];
  slots.take(2);
  const inside = slots.beginRecording();
  assert.deepEqual([slots.free(), slots.inWork()], [0, 4], "the third keeps its slot");
  outside[0]!();
  assert.equal(slots.free(), 0, "a run that has no slot frees none");
  slots.beginRecording();
  assert.deepEqual([slots.free(), slots.inWork()], [1, 3]);
  inside();
  assert.deepEqual([slots.free(), slots.inWork()], [2, 2]);
  assert.deepEqual([slots.peak(), slots.peak()], [2, 2], "who is being recorded is at work");
});

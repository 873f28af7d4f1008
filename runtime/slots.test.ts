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

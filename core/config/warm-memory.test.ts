import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultWarmMemoryMb } from "./warm-memory.ts";

const GIGABYTE = 2 ** 30;

test("an eighth of the container's memory, or of the machine's where no container limits it", () => {
  assert.equal(defaultWarmMemoryMb(64 * GIGABYTE, 4 * GIGABYTE), 512);
  assert.equal(defaultWarmMemoryMb(4 * GIGABYTE, 0), 512);
  assert.equal(defaultWarmMemoryMb(4 * GIGABYTE, 2 ** 63), 512);
});

test("neither less than a few isolates take nor a large part of a large machine", () => {
  assert.equal(defaultWarmMemoryMb(GIGABYTE / 2, 0), 128);
  assert.equal(defaultWarmMemoryMb(256 * GIGABYTE, 0), 1_024);
});

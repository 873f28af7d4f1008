import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { shareWarmMemory } from "./share-warm-memory.ts";

const MEGABYTE = 1_048_576;
const share = (budgetMb: number, holders: { mb: number; limitMb?: number; hasEvicted?: boolean }[]) =>
  shareWarmMemory(
    budgetMb * MEGABYTE,
    holders.map(({ mb, limitMb = 1_000, hasEvicted = false }) => ({
      ...{ bytes: mb * MEGABYTE, limitBytes: limitMb * MEGABYTE, hasEvicted },
    })),
  ).map((bytes) => Math.round(bytes / MEGABYTE));

describe("the memory for warm isolates", () => {
  test("is all of one namespace that is alone", () => {
    assert.deepEqual(share(500, []), []);
    assert.deepEqual(share(500, [{ mb: 0 }]), [500]);
    assert.deepEqual(share(500, [{ mb: 499 }]), [500]);
  });

  test("goes in equal parts to those that are short of it", () => {
    assert.deepEqual(
      share(600, [
        { mb: 500, hasEvicted: true },
        { mb: 100, hasEvicted: true },
      ]),
      [300, 300],
    );
    assert.deepEqual(
      share(600, [
        { mb: 400, limitMb: 410 },
        { mb: 200, limitMb: 210 },
      ]),
      [300, 300],
    );
  });

  test("is left to who needs little, and the rest goes to who needs much", () => {
    const thousandFunctions = { mb: 560, limitMb: 560, hasEvicted: true };
    assert.deepEqual(share(600, [{ mb: 8 }, thousandFunctions]), [40, 560]);
    assert.deepEqual(share(600, [thousandFunctions, { mb: 8 }, { mb: 18 }]), [510, 40, 50]);
  });

  test("goes to a newcomer as it fills its part, not before", () => {
    const full = { mb: 500, limitMb: 512 };
    assert.deepEqual(share(512, [full, { mb: 0, limitMb: 0 }]), [480, 32]);
    const newcomers = Array.from({ length: 7 }, () => ({ mb: 0, limitMb: 0 }));
    assert.deepEqual(share(512, [full, ...newcomers]), [288, ...Array(7).fill(32)]);
    // Where that is more than an equal part, the equal part.
    assert.deepEqual(share(48, [full, { mb: 0, limitMb: 0 }]), [24, 24]);
    const shrunk = { mb: 480, limitMb: 480 };
    assert.deepEqual(share(512, [shrunk, { mb: 30, limitMb: 32 }]), [256, 256]);
    assert.deepEqual(share(512, [shrunk, { mb: 0, limitMb: 32, hasEvicted: true }]), [256, 256]);
  });

  test("is never more than there is", () => {
    const many = Array.from({ length: 16 }, (_, n) => ({ mb: n * 10, hasEvicted: n % 3 === 0 }));
    const limits = share(256, many);
    assert.ok(limits.reduce((sum, mb) => sum + mb, 0) <= 256 + 16);
    assert.ok(limits.every((mb) => mb >= 16));
  });
});

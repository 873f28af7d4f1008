import assert from "node:assert/strict";
import { test } from "node:test";
import { createSemaphore } from "./semaphore.ts";

test("so many at once, the others in the order they came, also after one that failed", async () => {
  const withPermit = createSemaphore(2);
  const begun: number[] = [];
  const ends: ((fails?: boolean) => void)[] = [];
  const all = [0, 1, 2, 3].map((n) =>
    withPermit(async () => {
      begun.push(n);
      await new Promise<void>((resolve, reject) => {
        ends[n] = (fails) => (fails ? reject(new Error("failed")) : resolve());
      });
      return n;
    }),
  );
  assert.deepEqual(begun, [0, 1]);
  ends[1]!(true);
  await assert.rejects(all[1]!, /failed/);
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1, 2]);
  ends[0]!();
  assert.equal(await all[0], 0);
  await new Promise(setImmediate);
  ends[2]!();
  ends[3]!();
  assert.deepEqual(await Promise.all([all[2], all[3]]), [2, 3]);
});

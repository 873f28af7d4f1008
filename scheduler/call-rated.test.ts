import assert from "node:assert/strict";
import { test } from "node:test";
import { GRANT_BATCH } from "../core/store/limits/grant-permits.ts";
import { createRatedCaller, IDLE_LOOK_MS, LEAST_LOOK_MS, RATE_LOOK_MS } from "./call-rated.ts";

function openCaller() {
  const callRated = createRatedCaller();
  return async (waits: number[], called = 0) => {
    const asked: string[] = [];
    const sleepMs = await callRated({
      find: async () => waits.map((waitMs, index) => ({ key: `key-${index}`, waitMs })),
      async call(keys) {
        asked.push(...keys);
        return called;
      },
    });
    return { asked, sleepMs };
  };
}

test("where nobody waits it looks again soon, and calls nobody", async () => {
  assert.deepEqual(await openCaller()([]), { asked: [], sleepMs: RATE_LOOK_MS });
});

test("where no queue has a rate it seldom looks", async () => {
  const callRated = createRatedCaller();
  const sleepMs = await callRated({ find: async () => null, call: async () => assert.fail("nobody waits") });
  assert.equal(sleepMs, IDLE_LOOK_MS);
});

test("it sleeps until the next may be called up", async () => {
  const pass = openCaller();
  assert.deepEqual(await pass([33.3, 70]), { asked: [], sleepMs: 34 });
  assert.deepEqual(await pass([0.5]), { asked: [], sleepMs: LEAST_LOOK_MS });
  assert.deepEqual(await pass([5_000]), { asked: [], sleepMs: RATE_LOOK_MS });
});

test("it calls up those that may start, and looks soon, and for a while, for those that come next", async () => {
  const pass = openCaller();
  assert.deepEqual(await pass([0, 0, 500], 2), { asked: ["key-0", "key-1"], sleepMs: LEAST_LOOK_MS });
  const sleeps: number[] = [];
  for (let looks = 0; looks < 4; looks += 1) sleeps.push((await pass([])).sleepMs);
  assert.deepEqual(sleeps, [LEAST_LOOK_MS, LEAST_LOOK_MS, LEAST_LOOK_MS, RATE_LOOK_MS]);
});

test("where nobody can be called up there is no hurry, and after a full batch there is", async () => {
  const pass = openCaller();
  assert.deepEqual(await pass([0], 0), { asked: ["key-0"], sleepMs: RATE_LOOK_MS });
  assert.equal((await pass([0], GRANT_BATCH)).sleepMs, 0);
});

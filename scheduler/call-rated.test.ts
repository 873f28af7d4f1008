import assert from "node:assert/strict";
import { test } from "node:test";
import { GRANT_BATCH } from "../core/store/limits/grant-permits.ts";
import { callRated, IDLE_LOOK_MS, RATE_LOOK_MS } from "./call-rated.ts";

const pass = async (waits: number[], called = 0) => {
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

test("where nobody waits it looks again soon, and calls nobody", async () => {
  assert.deepEqual(await pass([]), { asked: [], sleepMs: RATE_LOOK_MS });
});

test("where no queue has a rate it seldom looks", async () => {
  const sleepMs = await callRated({ find: async () => null, call: async () => assert.fail("nobody waits") });
  assert.equal(sleepMs, IDLE_LOOK_MS);
});

test("it sleeps until the next may start", async () => {
  assert.deepEqual(await pass([33.3, 70]), { asked: [], sleepMs: 34 });
  assert.deepEqual(await pass([5_000]), { asked: [], sleepMs: RATE_LOOK_MS });
});

test("it calls up those that may start, and looks when the next of them may", async () => {
  assert.deepEqual(await pass([0, 0, 500], 2), { asked: ["key-0", "key-1"], sleepMs: 10 });
});

test("where those called up before have not started there is no hurry, and after a full batch there is", async () => {
  assert.deepEqual(await pass([0], 0), { asked: ["key-0"], sleepMs: RATE_LOOK_MS });
  assert.equal((await pass([0], GRANT_BATCH)).sleepMs, 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { GRANT_BATCH } from "../core/store/limits/grant-permits.ts";
import { createRatedCaller, IDLE_LOOK_MS, RATE_LOOK_MS } from "./call-rated.ts";

interface Found {
  /** Left out: one may start now. */
  waitMs?: number;
  nextMs?: number;
}

function openCaller() {
  let nowMs = 5_000;
  const callRated = createRatedCaller(() => nowMs);
  return {
    /** One pass, and the sleep after it. */
    async pass(keys: Record<string, Found>, called = 0, callMs = 0) {
      const asked: string[] = [];
      const sleepMs = await callRated({
        find: async () =>
          Object.entries(keys).map(([key, { waitMs = 0, nextMs = 60_000 }]) => ({ key, waitMs, nextMs })),
        async call(keys) {
          asked.push(...keys);
          nowMs += callMs;
          return called;
        },
      });
      nowMs += sleepMs;
      return { asked, sleepMs };
    },
  };
}

test("where nobody waits it looks again soon, and calls nobody", async () => {
  assert.deepEqual(await openCaller().pass({}), { asked: [], sleepMs: RATE_LOOK_MS });
});

test("where no queue has a rate it seldom looks", async () => {
  const callRated = createRatedCaller(() => 0);
  const sleepMs = await callRated({ find: async () => null, call: async () => assert.fail("nobody waits") });
  assert.equal(sleepMs, IDLE_LOOK_MS);
});

test("it sleeps until the next may start", async () => {
  const { pass } = openCaller();
  assert.deepEqual(await pass({ mail: { waitMs: 33.3 } }), { asked: [], sleepMs: 34 });
  assert.deepEqual(await pass({ mail: { waitMs: 5_000 } }), { asked: [], sleepMs: RATE_LOOK_MS });
});

test("it calls up those that may start, and wakes for the next of them, however long that took", async () => {
  const { pass } = openCaller();
  const found = { mail: { nextMs: 95 }, reports: {}, exports: { waitMs: 62 } };
  assert.deepEqual(await pass(found, 2, 12), { asked: ["mail", "reports"], sleepMs: 50 });
});

test("of several queues it wakes at each one's instant, though those that were called up have not started yet", async () => {
  const { pass } = openCaller();
  assert.equal((await pass({ mail: { nextMs: 95 }, reports: { nextMs: 40 } }, 2, 10)).sleepMs, 30);
  const second = await pass({ reports: { nextMs: 100 } }, 1, 5);
  assert.deepEqual(second, { asked: ["reports"], sleepMs: 50 });
  assert.deepEqual(await pass({ mail: { nextMs: 100 } }, 1, 5), { asked: ["mail"], sleepMs: 40 });
});

test("where the one called up is late it looks again soon, and less and less often", async () => {
  const { pass } = openCaller();
  assert.equal((await pass({ mail: { nextMs: 60 } }, 1)).sleepMs, 60);
  const sleeps: number[] = [];
  for (let looks = 0; looks < 6; looks += 1) sleeps.push((await pass({})).sleepMs);
  assert.deepEqual(sleeps, [10, 20, 40, 80, RATE_LOOK_MS, RATE_LOOK_MS]);
});

test("it sleeps no longer than for the next look where the next start is far off, and not at all after a full batch", async () => {
  const { pass } = openCaller();
  assert.equal((await pass({ mail: { nextMs: 10_000 } }, 1)).sleepMs, RATE_LOOK_MS);
  assert.equal((await pass({ mail: {} }, GRANT_BATCH)).sleepMs, 0);
});

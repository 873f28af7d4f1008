import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bell } from "../core/queue/transport.ts";
import { newId } from "../core/store/ids.ts";
import { createManualClock } from "../test/support/manual-clock.ts";
import { createRinger, RING_LEAD_MS } from "./ring-ahead.ts";

function openRinger() {
  const clock = createManualClock();
  const startMs = clock.now().getTime();
  const sends: { atMs: number; bells: Bell[] }[] = [];
  const reports = { rung: 0, failed: [] as unknown[] };
  let refusal: Error | undefined;
  const ringer = createRinger(
    {
      async ring(bells) {
        sends.push({ atMs: clock.now().getTime() - startMs, bells });
        if (refusal) throw refusal;
      },
    },
    clock,
    {
      rung(count) {
        reports.rung += count;
      },
      failed: (error) => void reports.failed.push(error),
    },
  );
  const bellAt = (ms: number): Bell => ({ runId: newId(), availableAt: new Date(startMs + ms) });
  return {
    clock,
    ringer,
    sends,
    reports,
    bellAt,
    refuse(error: Error | undefined) {
      refusal = error;
    },
  };
}

test("a bell leaves its lead before its instant, and not before", async () => {
  const { clock, ringer, sends, reports, bellAt } = openRinger();
  const bell = bellAt(500);
  ringer.add([bell]);
  await clock.advance(500 - RING_LEAD_MS - 1);
  assert.deepEqual(sends, []);
  await clock.advance(1);
  assert.deepEqual(sends, [{ atMs: 500 - RING_LEAD_MS, bells: [bell] }]);
  assert.equal(reports.rung, 1);
});

test("a bell whose instant is past leaves at once", () => {
  const { ringer, sends, bellAt } = openRinger();
  ringer.add([bellAt(-1_000), bellAt(0), bellAt(RING_LEAD_MS)]);
  assert.deepEqual(
    sends.map(({ atMs, bells }) => [atMs, bells.length]),
    [[0, 3]],
  );
});

test("bells of one moment travel in one send, whoever added them", async () => {
  const { clock, ringer, sends, bellAt } = openRinger();
  const together = [bellAt(300), bellAt(300), bellAt(300)];
  const later = bellAt(301);
  ringer.add([together[0]!, later]);
  ringer.add([together[1]!]);
  ringer.add([together[2]!]);
  await clock.advance(1_000);
  assert.deepEqual(sends, [
    { atMs: 300 - RING_LEAD_MS, bells: together },
    { atMs: 301 - RING_LEAD_MS, bells: [later] },
  ]);
});

test("a bell that is added later and due sooner is not late", async () => {
  const { clock, ringer, sends, bellAt } = openRinger();
  ringer.add([bellAt(800)]);
  await clock.advance(100);
  ringer.add([bellAt(200)]);
  await clock.advance(1_000);
  assert.deepEqual(
    sends.map(({ atMs }) => atMs),
    [200 - RING_LEAD_MS, 800 - RING_LEAD_MS],
  );
});

test("a herd of one moment leaves whole, in sends of a bounded size", async () => {
  const { clock, ringer, sends, reports, bellAt } = openRinger();
  const herd = Array.from({ length: 200_000 }, () => bellAt(500));
  for (let from = 0; from < herd.length; from += 1_000) ringer.add(herd.slice(from, from + 1_000));
  await clock.advance(500);
  assert.equal(reports.rung, herd.length);
  assert.equal(Math.max(...sends.map(({ bells }) => bells.length)), 1_000);
  assert.equal(new Set(sends.flatMap(({ bells }) => bells.map(({ runId }) => runId))).size, herd.length);
});

test("tick tells the wait until the next bell, null for none", () => {
  const { clock, ringer, bellAt } = openRinger();
  assert.equal(ringer.tick(clock.now()), null);
  ringer.add([bellAt(700), bellAt(400)]);
  assert.equal(ringer.tick(clock.now()), 400 - RING_LEAD_MS);
});

test("a timer that fires early does not ring early", () => {
  const { clock, ringer, sends, bellAt } = openRinger();
  ringer.add([bellAt(400)]);
  const justBefore = new Date(clock.now().getTime() + 400 - RING_LEAD_MS - 1);
  assert.equal(ringer.tick(justBefore), 1);
  assert.deepEqual(sends, []);
});

test("close rings the rest early and resolves once it is sent", async () => {
  const clock = createManualClock();
  const sent: Bell[] = [];
  const carrying = Promise.withResolvers<void>();
  const ringer = createRinger(
    {
      async ring(bells) {
        await carrying.promise;
        sent.push(...bells);
      },
    },
    clock,
    { rung() {}, failed() {} },
  );
  const waiting = [60_000, 90_000].map((ms) => ({
    runId: newId(),
    availableAt: new Date(clock.now().getTime() + ms),
  }));
  ringer.add(waiting);
  let closed = false;
  const closing = ringer.close().then(() => {
    closed = true;
  });
  await clock.advance(0);
  assert.equal(closed, false, "the send is under way");
  carrying.resolve();
  await closing;
  assert.deepEqual(sent, waiting);
});

test("after close no timer rings anything again", async () => {
  const { clock, ringer, sends, bellAt } = openRinger();
  ringer.add([bellAt(500)]);
  await ringer.close();
  await clock.advance(5_000);
  assert.equal(sends.length, 1);
});

test("a failed send is reported and not counted; the next one goes out", async () => {
  const { clock, ringer, sends, reports, bellAt, refuse } = openRinger();
  const fault = new Error("no broker");
  refuse(fault);
  ringer.add([bellAt(100)]);
  await clock.advance(200);
  assert.deepEqual(reports, { rung: 0, failed: [fault] });
  refuse(undefined);
  ringer.add([bellAt(300)]);
  await clock.advance(200);
  assert.equal(sends.length, 2);
  assert.equal(reports.rung, 1);
});

test("close resolves although the last send fails", async () => {
  const { ringer, reports, bellAt, refuse } = openRinger();
  ringer.add([bellAt(60_000)]);
  refuse(new Error("no broker"));
  await ringer.close();
  assert.equal(reports.failed.length, 1);
});

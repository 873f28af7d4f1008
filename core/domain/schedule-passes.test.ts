/** Random passes over random grids, with outages and clocks that jump: what becomes of each instant, told by a list of all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../../test/support/random.ts";
import { CATCH_UP_POLICIES, type CatchUp, decideDue, MISSED_AFTER_MS } from "./catch-up.ts";
import { nextOccurrence } from "./schedule/occurrences.ts";
import type { Schedule } from "./schedule/schedule.ts";

const CASES = 4_000;
const START_MS = Date.parse("2026-03-01T00:00:00Z");
const SPAN_MS = 900_000;

for (const policy of CATCH_UP_POLICIES) {
  test(`each instant fires once or is told of once, and those fire that should: ${policy}`, () => {
    for (let seed = 1; seed <= CASES; seed += 1) {
      const random = createRandom(seed);
      const everyMs = random.whole(1, 90) * 1_000;
      const catchUp: CatchUp = {
        policy,
        windowMs: random.pick([null, random.whole(1, 300) * 1_000]),
        max: random.whole(1, 20),
      };
      const schedule: Schedule = { kind: "every", everyMs };
      const findNext = (after: Date) => nextOccurrence(schedule, new Date(START_MS), after);
      const all: number[] = [];
      for (let atMs = START_MS + everyMs; atMs <= START_MS + 2 * SPAN_MS; atMs += everyMs) all.push(atMs);
      let cursor = findNext(new Date(START_MS))!;
      let seen = 0;
      for (let nowMs = START_MS, passes = 0; passes < 30 && nowMs < START_MS + SPAN_MS; passes += 1) {
        nowMs += random.pick([500, 1_000, everyMs, random.whole(1, 200_000), -random.whole(1, 60_000)]);
        while (cursor.getTime() <= nowMs + 1_000) {
          const told = `seed ${seed}, at ${nowMs - START_MS}`;
          const decided = decideDue(findNext, cursor, new Date(nowMs), catchUp);
          const passed = all.slice(seen).filter((atMs) => atMs <= nowMs);
          const group = passed.length > 0 ? passed : all.slice(seen, seen + 1);
          const isMissed = group.length > 1 || nowMs - group[0]! > MISSED_AFTER_MS;
          const reachMs =
            policy === "none" ? MISSED_AFTER_MS : (catchUp.windowMs ?? Number.POSITIVE_INFINITY);
          const newest = group.slice(-(policy === "all" ? catchUp.max : 1));
          const expected = isMissed ? newest.filter((atMs) => nowMs - atMs <= reachMs) : group;
          assert.deepEqual(
            decided.fires.map((at) => at.getTime()),
            expected,
            told,
          );
          const over = group.slice(0, group.length - expected.length);
          assert.equal(decided.passedOver?.count ?? 0, over.length, told);
          if (over.length > 0) {
            assert.equal(Date.parse(decided.passedOver!.firstAt), over[0], told);
            assert.equal(Date.parse(decided.passedOver!.lastAt), over.at(-1), told);
          }
          seen += group.length;
          assert.equal(decided.nextRunAt?.getTime(), all[seen], told);
          cursor = decided.nextRunAt!;
        }
      }
    }
  });
}

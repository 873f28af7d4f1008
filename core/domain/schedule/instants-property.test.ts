/** Whatever a schedule says, it fires at the instants that a slow oracle expects, asked from anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertHolds } from "../../../test/support/properties.ts";
import { anyMinute, anySchedule, anySpan } from "../../../test/support/schedule-arbitraries.ts";
import { listInstants } from "../../../test/support/schedule-oracle.ts";
import { InstantNotFoundError } from "./local-times.ts";
import { firstOccurrence, occurrencesAfter } from "./occurrences.ts";
import type { Schedule } from "./schedule.ts";

const DAY_MS = 86_400_000;
const toIso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());

const anyQuestion = anySpan.chain((span) =>
  fc.tuple(fc.constant(span), anySchedule(span), anyMinute(span), anyMinute(span)),
);

/** A search that gives up, since what follows is excluded for very long, has found all there are. */
function takeUntil(schedule: Schedule, madeMs: number, afterMs: number, untilMs: number): string[] {
  const found: string[] = [];
  try {
    for (const at of occurrencesAfter(schedule, new Date(madeMs), new Date(afterMs))) {
      if (at.getTime() >= untilMs) break;
      found.push(at.toISOString());
    }
  } catch (error) {
    if (!(error instanceof InstantNotFoundError)) throw error;
  }
  return found;
}

test("the instants of a schedule are those that the oracle finds minute by minute", () => {
  assertHolds(
    fc.property(anyQuestion, ([{ clock }, schedule, madeMs, afterMs]) => {
      const untilMs = clock.toMs - DAY_MS;
      const expected = listInstants(schedule, madeMs, clock);
      const found = takeUntil(schedule, madeMs, afterMs, untilMs);
      assert.deepEqual(found, expected.filter((ms) => ms > afterMs).map(toIso));
    }),
    1_000,
  );
});

test("a task that is made fires first at the first instant after", () => {
  assertHolds(
    fc.property(anyQuestion, ([{ clock }, schedule, madeMs]) => {
      const next = listInstants(schedule, madeMs, clock).find((ms) => ms > madeMs);
      fc.pre(next !== undefined);
      assert.equal(firstOccurrence(schedule, new Date(madeMs))?.toISOString(), toIso(next));
    }),
    500,
  );
});

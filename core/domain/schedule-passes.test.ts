/**
 * Random schedules, passes, outages, pauses, changes and clocks that jump: what the decisions make of each instant is what
 * a model expects that knows the list of all. How they are written is scheduler/schedule-property.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertHolds } from "../../test/support/properties.ts";
import { anyCatchUp, anyMinute, anySchedule, anySpan } from "../../test/support/schedule-arbitraries.ts";
import { type ModelSchedule, ModelTask } from "../../test/support/schedule-model.ts";
import { listInstants } from "../../test/support/schedule-oracle.ts";
import { type CatchUp, decideDue } from "./catch-up.ts";
import { InstantNotFoundError } from "./schedule/local-times.ts";
import { firstOccurrence, nextOccurrence } from "./schedule/occurrences.ts";
import type { RepeatingSchedule } from "./schedule/schedule.ts";
import { countSkipped, type SkippedInstants, type SkipReason } from "./skipped.ts";

const DAY_MS = 86_400_000;
/** No two instants are as far apart, but where a day is left out. */
const LEAD_MS = 7_200_000;

/** One task by the decisions alone, its runs never open. */
class DecidedTask {
  fired: number[] = [];
  skipped: SkippedInstants[] = [];
  private schedule: RepeatingSchedule;
  private readonly catchUp: CatchUp | null;
  private madeAt: Date;
  private cursor: Date | null;

  constructor(schedule: RepeatingSchedule, catchUp: CatchUp | null, now: Date) {
    [this.schedule, this.catchUp, this.madeAt] = [schedule, catchUp, now];
    this.cursor = orNever(() => firstOccurrence(schedule, now));
  }

  private readonly findNext = (after: Date) =>
    orNever(() => nextOccurrence(this.schedule, this.madeAt, after));

  pass(now: Date): void {
    while (this.cursor && this.cursor.getTime() <= now.getTime() + 1_000) {
      const { fires, passedOver, nextRunAt } = decideDue(this.findNext, this.cursor, now, this.catchUp);
      this.fired.push(...fires.map((at) => at.getTime()));
      if (passedOver) this.skipped.push(passedOver);
      this.cursor = nextRunAt;
    }
  }

  /** What was staged ahead counts as if it had not been. */
  private takeBack(now: Date): void {
    const back = this.fired.filter((at) => at > now.getTime());
    this.fired = this.fired.filter((at) => !back.includes(at));
    if (back.length > 0) this.cursor = new Date(Math.min(...back));
  }

  private tellPassed(now: Date, reason: SkipReason): void {
    const passed = this.cursor && countSkipped(this.findNext, reason, this.cursor, now);
    if (passed) this.skipped.push(passed);
    if (this.cursor && this.cursor <= now) this.cursor = this.findNext(now);
  }

  pause(now: Date, isPaused: boolean): void {
    this.takeBack(now);
    if (!isPaused) this.tellPassed(now, "missed");
  }

  resume(now: Date, isPaused: boolean): void {
    this.takeBack(now);
    if (!isPaused) return;
    if (!this.catchUp || !this.cursor || this.cursor > now) {
      this.tellPassed(now, "paused");
      return;
    }
    const { fires, passedOver } = decideDue(this.findNext, this.cursor, now, this.catchUp, "paused");
    if (passedOver) this.skipped.push(passedOver);
    this.cursor = fires[0] ?? this.findNext(now);
  }

  change(now: Date, schedule: RepeatingSchedule, isPaused: boolean): void {
    this.takeBack(now);
    this.tellPassed(now, isPaused ? "paused" : "missed");
    this.schedule = schedule;
    this.madeAt = now;
    this.cursor = orNever(() => firstOccurrence(schedule, now));
  }
}

/** Where all is excluded, for good, nothing is ever found. */
function orNever(find: () => Date | null): Date | null {
  try {
    return find();
  } catch (error) {
    if (error instanceof InstantNotFoundError) return null;
    throw error;
  }
}

const anyStep = (schedule: fc.Arbitrary<RepeatingSchedule>) =>
  fc.record({
    afterMs: fc.oneof(
      fc.constantFrom(500, 1_000, 60_000),
      fc.integer({ min: 1, max: 7_200_000 }),
      fc.integer({ min: 3_600_000, max: DAY_MS }),
      fc.integer({ min: -3_600_000, max: -1 }),
    ),
    /** As long after the next instant instead, where there is one. */
    fromNext: fc.option(fc.constantFrom(-1_001, -1_000, -1, 0, 1, 10_000, 10_001, 11_000), { freq: 3 }),
    does: fc.oneof(
      { weight: 6, arbitrary: fc.constant("pass" as const) },
      { weight: 1, arbitrary: fc.constant("pause" as const) },
      { weight: 2, arbitrary: fc.constant("resume" as const) },
      { weight: 1, arbitrary: schedule },
    ),
  });

const anyStory = anySpan.chain((span) =>
  fc.record({
    span: fc.constant(span),
    schedule: anySchedule(span),
    madeMs: anyMinute(span),
    catchUp: fc.option(anyCatchUp),
    steps: fc.array(anyStep(anySchedule(span)), { minLength: 1, maxLength: 25 }),
  }),
);

test("each instant fires once or is told of once, and those fire that should", () => {
  assertHolds(
    fc.property(anyStory, ({ span: { clock }, schedule, madeMs, catchUp, steps }) => {
      const read = (given: RepeatingSchedule, made: number): ModelSchedule => ({
        ...{ instants: listInstants(given, made, clock), offsetMs: 0, maxRuns: null },
      });
      const model = new ModelTask(read(schedule, madeMs), { overlap: "allow", catchUp }, madeMs);
      const task = new DecidedTask(schedule, catchUp, new Date(madeMs));
      let [nowMs, changedMs] = [madeMs, madeMs];
      for (const { afterMs, fromNext, does } of steps) {
        const { cursor } = model;
        // Of before a change there may be runs of another schedule.
        const wantedMs = fromNext === null || cursor === null ? nowMs + afterMs : cursor + fromNext;
        nowMs = Math.max(wantedMs, changedMs);
        // Beyond the clock's span nothing is known.
        if (nowMs > clock.toMs - DAY_MS - LEAD_MS) break;
        const now = new Date(nowMs);
        const isPaused = model.state === "paused";
        if (does === "pass") {
          model.pass(nowMs);
          if (!isPaused) task.pass(now);
        } else if (does === "pause") {
          if (model.pause(nowMs)) task.pause(now, isPaused);
        } else if (does === "resume") {
          if (model.resume(nowMs)) task.resume(now, isPaused);
        } else {
          model.change(nowMs, model.policy, read(does, nowMs));
          task.change(now, does, isPaused);
          changedMs = nowMs;
        }
      }
      assert.deepEqual(
        task.fired,
        model.runs.map(({ at }) => at),
      );
      const skips = task.skipped.map((skip) => ({
        ...skip,
        ...{ firstAt: Date.parse(skip.firstAt), lastAt: Date.parse(skip.lastAt) },
      }));
      assert.deepEqual(skips, model.skips);
    }),
    1_000,
  );
});

/**
 * Random stories of tasks on a real PostgreSQL, under a stubbed clock: passes of the scheduler, outages, clocks that jump,
 * workers, pauses, changes, cancels. After each step the rows are what a model expects, no more and no fewer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc, { type Arbitrary } from "fast-check";
import { OVERLAPS } from "../core/domain/overlap.ts";
import { jitterOffsetMs } from "../core/domain/schedule/jitter.ts";
import { InstantNotFoundError } from "../core/domain/schedule/local-times.ts";
import { nextOccurrence } from "../core/domain/schedule/occurrences.ts";
import type { RepeatingSchedule } from "../core/domain/schedule/schedule.ts";
import { HERD_AHEAD_MS, STAGE_AHEAD_MS } from "../core/domain/staging.ts";
import { newId } from "../core/store/ids.ts";
import { ensurePartitions } from "../core/store/partitions.ts";
import type { ClaimedRun } from "../core/store/runs/claim.ts";
import { openTestStore } from "../core/store/testing/test-store.ts";
import { createClockedDatabase } from "../test/support/clocked-database.ts";
import { assertAsyncHolds } from "../test/support/properties.ts";
import { anyCatchUp, anyMinute, anySchedule, romeInSpring } from "../test/support/schedule-arbitraries.ts";
import {
  type ModelPolicy,
  type ModelRun,
  type ModelSchedule,
  ModelTask,
} from "../test/support/schedule-model.ts";
import { listInstants } from "../test/support/schedule-oracle.ts";
import { openScheduledTasks, type RunRow, type ScheduledTasks } from "../test/support/scheduled-tasks.ts";

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
const span = romeInSpring;

/** Stories of seconds, in which runs overlap all the time, and of days. */
interface Pace {
  lengthMs: number;
  anySchedule: Arbitrary<RepeatingSchedule>;
  anyStepMs: Arbitrary<number>;
}

const anyBurst: Arbitrary<RepeatingSchedule> = fc.record(
  {
    kind: fc.constant("every" as const),
    everyMs: fc.integer({ min: 1, max: 20 }).map((seconds) => seconds * SECOND_MS),
    maxRuns: fc.integer({ min: 1, max: 5 }),
    jitterMs: fc.integer({ min: 1, max: 5_000 }),
  },
  { requiredKeys: ["kind", "everyMs"], noNullPrototype: true },
);

const anyLong: Arbitrary<RepeatingSchedule> = fc
  .tuple(
    anySchedule(span),
    fc.option(fc.integer({ min: 1, max: 5 })),
    fc.option(fc.integer({ min: 1, max: 1_800_000 })),
  )
  .map(([schedule, maxRuns, jitterMs]) => ({
    ...schedule,
    ...(maxRuns !== null && { maxRuns }),
    ...(jitterMs !== null && { jitterMs }),
  }));

const SECONDS: Pace = {
  lengthMs: 900_000,
  anySchedule: anyBurst,
  anyStepMs: fc.oneof(
    fc.constantFrom(0, 500, 1_000),
    fc.integer({ min: 1, max: 60_000 }),
    fc.integer({ min: -20_000, max: -1 }),
  ),
};
const DAYS: Pace = {
  lengthMs: DAY_MS,
  anySchedule: anyLong,
  anyStepMs: fc.oneof(
    fc.constantFrom(0, 1_000, 60_000),
    fc.integer({ min: 1, max: 7_200_000 }),
    fc.integer({ min: 3_600_000, max: DAY_MS / 2 }),
    fc.integer({ min: -3_600_000, max: -1 }),
  ),
};

const anyPolicy: Arbitrary<ModelPolicy> = fc.record({
  overlap: fc.constantFrom(...OVERLAPS),
  catchUp: fc.option(anyCatchUp),
});

const anyDeed = ({ anySchedule: schedule }: Pace) =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        is: fc.constant("pass" as const),
        aheadMs: fc.constantFrom(STAGE_AHEAD_MS, STAGE_AHEAD_MS, HERD_AHEAD_MS),
      }),
    },
    { weight: 4, arbitrary: fc.record({ is: fc.constant("claim" as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        is: fc.constant("finish" as const),
        outcome: fc.oneof(
          fc.constantFrom("succeeded" as const, "succeeded" as const, "dead" as const),
          fc.integer({ min: 1, max: 60_000 }),
        ),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ is: fc.constantFrom("pause" as const, "resume" as const, "resume" as const) }),
    },
    {
      weight: 3,
      // Without a schedule the one that stands is given again.
      arbitrary: fc.record({
        is: fc.constant("put" as const),
        schedule: fc.option(schedule),
        policy: anyPolicy,
      }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constantFrom("cancel" as const, "remove" as const) }) },
  );

const anyStory = fc.constantFrom(SECONDS, DAYS).chain((pace) =>
  fc.record({
    lengthMs: fc.constant(pace.lengthMs),
    beginMs: anyMinute(span).filter((ms) => ms + pace.lengthMs + DAY_MS < span.clock.toMs),
    tasks: fc.array(fc.record({ schedule: pace.anySchedule, policy: anyPolicy }), {
      minLength: 1,
      maxLength: 2,
    }),
    steps: fc.array(
      fc.record({
        task: fc.nat(1),
        afterMs: pace.anyStepMs,
        /** As long after the task's next instant instead, where it has one. */
        fromNext: fc.option(fc.constantFrom(-1_001, -1_000, -1, 0, 1, 10_000, 10_001), { freq: 2 }),
        does: anyDeed(pace),
      }),
      { minLength: 1, maxLength: 30 },
    ),
  }),
);
type Story = typeof anyStory extends Arbitrary<infer Value> ? Value : never;

const testStore = await openTestStore(createClockedDatabase);

/** What the model knows of a schedule; undefined: it never fires, and is refused before anything is made of it. */
function toModel(
  schedule: RepeatingSchedule,
  id: string,
  madeMs: number,
  toMs: number,
): ModelSchedule | undefined {
  const instants = listInstants(schedule, madeMs, { ...span.clock, toMs: toMs + DAY_MS }).filter(
    (ms) => ms > madeMs,
  );
  try {
    // No story comes as far; it is there so that the task is not over.
    const beyond = nextOccurrence(schedule, new Date(madeMs), new Date(Math.max(toMs - 1, madeMs)));
    if (beyond) instants.push(beyond.getTime());
  } catch (error) {
    if (!(error instanceof InstantNotFoundError)) throw error;
    return undefined;
  }
  if (instants.length === 0) return undefined;
  return { instants, offsetMs: jitterOffsetMs(schedule, id), maxRuns: schedule.maxRuns ?? null };
}

interface Pair {
  id: string;
  schedule: RepeatingSchedule;
  model: ModelTask;
}

/** One story told to the model and to the real tasks. */
class Told {
  private readonly tasks: ScheduledTasks;
  private readonly pairs: Pair[] = [];
  private readonly claimed: { run: ClaimedRun; of: ModelRun; in: Pair }[] = [];
  private readonly toMs: number;
  private nowMs: number;
  private changedMs: number;

  constructor(tasks: ScheduledTasks, { beginMs, lengthMs }: Story) {
    this.tasks = tasks;
    this.nowMs = beginMs;
    this.changedMs = beginMs;
    this.toMs = beginMs + lengthMs;
  }

  async begin({ tasks }: Story): Promise<void> {
    await this.tasks.setClock(new Date(this.nowMs));
    for (const { schedule, policy } of tasks) {
      const id = newId();
      const known = toModel(schedule, id, this.nowMs, this.toMs);
      if (!known) continue;
      await this.tasks.create(id, schedule, policy);
      this.pairs.push({ id, schedule, model: new ModelTask(known, policy, this.nowMs) });
    }
  }

  /** Whether the story goes on. */
  async step({ task, afterMs, fromNext, does }: Story["steps"][number]): Promise<boolean> {
    const pair = this.pairs[task % this.pairs.length];
    if (!pair) return false;
    const { model } = pair;
    const nextMs = model.cursor === null ? null : model.cursor + model.schedule.offsetMs;
    const wantedMs = fromNext === null || nextMs === null ? this.nowMs + afterMs : nextMs + fromNext;
    // Of before a change there may be runs of another schedule.
    this.nowMs = Math.max(wantedMs, this.changedMs);
    // Beyond its end the oracle has not looked.
    if (this.nowMs + HERD_AHEAD_MS + SECOND_MS > this.toMs) return false;
    await this.tasks.setClock(new Date(this.nowMs));
    await this.act(pair, does);
    await this.compare();
    return true;
  }

  private async act(pair: Pair, does: Story["steps"][number]["does"]): Promise<void> {
    const { id, model } = pair;
    const { nowMs, tasks } = this;
    if (does.is === "pass") {
      for (const each of this.pairs) each.model.pass(nowMs, does.aheadMs);
      await tasks.pass(does.aheadMs);
    } else if (does.is === "claim") await this.claim();
    else if (does.is === "finish") await this.finish(pair, does.outcome);
    else if (does.is === "pause") assert.equal(await tasks.pause(id), model.pause(nowMs));
    else if (does.is === "resume") assert.equal(await tasks.resume(id), model.resume(nowMs));
    else if (does.is === "put") await this.put(pair, does.schedule, does.policy);
    else {
      model.cancel(nowMs, does.is === "cancel" ? "cancelled" : "removed");
      await tasks[does.is](id);
    }
  }

  /** Those that workers may take are those that the model names. */
  private async claim(): Promise<void> {
    const expected = this.pairs.flatMap((pair) =>
      pair.model.claimable(this.nowMs).map((of) => ({ of, in: pair })),
    );
    const runs = await this.tasks.claimDue();
    const show = (id: string, at: number) => `${id} ${new Date(at).toISOString()}`;
    assert.deepEqual(
      runs.map(({ taskId, scheduledFor }) => show(taskId!, scheduledFor.getTime())).sort(),
      expected.map(({ of, in: { id } }) => show(id, of.at)).sort(),
    );
    for (const run of runs) {
      const index = expected.findIndex(
        ({ of, in: { id } }) => id === run.taskId && of.at === run.scheduledFor.getTime(),
      );
      const [{ of, in: pair }] = expected.splice(index, 1) as [(typeof expected)[number]];
      pair.model.claim(of);
      this.claimed.push({ run, of, in: pair });
    }
  }

  /** All of the task. */
  private async finish(pair: Pair, outcome: "succeeded" | "dead" | number): Promise<void> {
    for (const { run, of } of this.claimed.filter((each) => each.in === pair)) {
      if (of.state !== "running") continue;
      if (typeof outcome === "string" || of.isAsked) {
        const state = typeof outcome === "string" ? outcome : "succeeded";
        pair.model.finish(of, state);
        await this.tasks.finish(run, state);
      } else {
        pair.model.finish(of, "retrying", this.nowMs + outcome);
        await this.tasks.finish(run, { retryAt: new Date(this.nowMs + outcome) });
      }
    }
  }

  private async put(pair: Pair, given: RepeatingSchedule | null, policy: ModelPolicy): Promise<void> {
    const { id, model } = pair;
    const schedule = given ?? pair.schedule;
    const isSame = isDeepStrictEqual(schedule, pair.schedule);
    const known = isSame ? undefined : toModel(schedule, id, this.nowMs, this.toMs);
    if (!isSame && !known) return;
    const isDone = await this.tasks.put(id, schedule, policy);
    assert.equal(isDone, model.change(this.nowMs, policy, known));
    if (isSame || !isDone) return;
    pair.schedule = schedule;
    this.changedMs = this.nowMs;
  }

  private async compare(): Promise<void> {
    assert.deepEqual(toShown(await this.tasks.readRuns()), this.pairs.flatMap(showRuns).sort());
    const tasks = (await this.tasks.readTasks()).map(({ id, state, nextRunAt, runsLeft }) => ({
      ...{ id, state, runsLeft, nextRunAt: nextRunAt?.toISOString() ?? null },
    }));
    assert.deepEqual(tasks, this.pairs.filter(({ model }) => model.state !== "removed").map(showTask));
  }
}

const STATES: Partial<Record<ModelRun["state"], string>> = {
  held: "queued instant",
  waiting: "queued overlap",
  retrying: "scheduled",
};

const toIso = (ms: number) => new Date(ms).toISOString();

function showRuns({ id, model }: Pair): string[] {
  return [
    ...model.runs.map(({ at, state }) => `${id} ${toIso(at)} ${STATES[state] ?? state}`),
    ...model.skips.map(
      ({ reason, count, firstAt, lastAt }) =>
        `${id} ${toIso(firstAt)} ${reason} ${count} to ${toIso(lastAt)}`,
    ),
  ];
}

/** The model's instants lack those that are excluded; what is told of them is exclusions.test.ts's to judge. */
const toShown = (rows: RunRow[]): string[] =>
  rows
    .filter(({ skipped }) => skipped?.reason !== "excluded")
    .map(({ taskId, scheduledFor, state, waitingFor, skipped }) => {
      const what = skipped
        ? `${skipped.reason} ${skipped.count} to ${skipped.lastAt}`
        : [state, waitingFor ?? []].flat().join(" ");
      return `${taskId} ${skipped?.firstAt ?? scheduledFor.toISOString()} ${what}`;
    })
    .sort();

function showTask({ id, model }: Pair) {
  const { state, cursor, runsLeft, schedule } = model;
  return { id, state, runsLeft, nextRunAt: cursor === null ? null : toIso(cursor + schedule.offsetMs) };
}

test("the runs and the skipped instants are those that a model expects, no more and no fewer", async () => {
  await ensurePartitions(testStore.db, new Date(span.clock.fromMs + DAY_MS));
  await assertAsyncHolds(
    anyStory,
    async (story) => {
      await testStore.clear();
      const told = new Told(await openScheduledTasks(testStore), story);
      await told.begin(story);
      for (const step of story.steps) if (!(await told.step(step))) break;
    },
    60,
  );
});

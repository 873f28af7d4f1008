/** Every example of docs/schedules.md of what becomes of instants, on a real PostgreSQL, as it stands there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { catchUpField } from "../../core/contracts/catch-up-field.ts";
import { scheduleField } from "../../core/contracts/task-schedule.ts";
import { doesRepeat } from "../../core/domain/schedule/schedule.ts";
import { newId } from "../../core/store/ids.ts";
import { ensurePartitions } from "../../core/store/partitions.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { openTestStore } from "../../core/store/testing/test-store.ts";
import { createClockedDatabase } from "../support/clocked-database.ts";
import { openScheduledTasks, type RunRow, type ScheduledTasks } from "../support/scheduled-tasks.ts";
import { readRows, toCode } from "./schedule-tables.ts";

const DAY = "2026-12-01";
const toTime = (time: string) => new Date(`${DAY}T${time.padEnd(8, ":00")}Z`);
const MADE = toTime("00:00");
const LAST = toTime("05:45");
const LOOK_EVERY_MS = 1_800_000;

const testStore = await openTestStore(createClockedDatabase);
await ensurePartitions(testStore.db, MADE);

interface Span {
  what: "no scheduler" | "paused" | "the first run lasts";
  from: Date;
  to: Date;
}

function toSpans(text: string): Span[] {
  if (text === "nothing") return [];
  return text.split(", ").map((part) => {
    const [, what, from, to] =
      /^(no scheduler|paused|the first run lasts) from ([\d:]+) to ([\d:]+)$/.exec(part) ?? [];
    if (!what) throw new Error(`docs/schedules.md: ${JSON.stringify(part)} has no meaning here`);
    return { what: what as Span["what"], from: toTime(from!), to: toTime(to!) };
  });
}

/** The scheduler looks every half hour, and whenever something happens. */
function listLooks(spans: Span[]): Date[] {
  const times = new Set(spans.flatMap(({ from, to }) => [from.getTime(), to.getTime()]));
  for (let ms = MADE.getTime(); ms < LAST.getTime(); ms += LOOK_EVERY_MS) times.add(ms);
  return [...times, LAST.getTime()].toSorted((a, b) => a - b).map((ms) => new Date(ms));
}

/** One task, its scheduler and its worker. */
class Story {
  private readonly tasks: ScheduledTasks;
  private readonly id: string;
  private readonly spans: Span[];
  private lasting: ClaimedRun | undefined;

  constructor(tasks: ScheduledTasks, id: string, spans: Span[]) {
    this.tasks = tasks;
    this.id = id;
    this.spans = spans;
  }

  async play(): Promise<void> {
    for (const now of listLooks(this.spans)) {
      await this.tasks.setClock(now);
      const isAway = this.spans.some(
        ({ what, from, to }) => what === "no scheduler" && from < now && now < to,
      );
      if (!isAway) await this.work(now);
      await this.change(now);
      if (!isAway) await this.work(now);
    }
  }

  /** Runs succeed as soon as they have begun, but for one that lasts. */
  private async work(now: Date): Promise<void> {
    for (;;) {
      await this.tasks.pass();
      await this.tasks.settleExclusions();
      const claimed = await this.tasks.claimDue();
      if (claimed.length === 0) return;
      for (const run of claimed) {
        if (this.spans.some(({ what, from }) => what === "the first run lasts" && +from === +now))
          this.lasting = run;
        else await this.tasks.finish(run, "succeeded");
      }
    }
  }

  private async change(now: Date): Promise<void> {
    for (const { what, from, to } of this.spans) {
      if (what === "paused" && +from === +now) await this.tasks.pause(this.id);
      if (what === "paused" && +to === +now) await this.tasks.resume(this.id);
      if (what === "the first run lasts" && +to === +now) await this.tasks.finish(this.lasting!, "succeeded");
    }
  }
}

const timeOf = (at: Date) => at.toISOString().slice("2026-12-01T".length, -":00.000Z".length);
const listed = (texts: string[]) => (texts.length > 0 ? texts.join(", ") : "none");

const showRuns = (rows: RunRow[]) =>
  listed(rows.filter(({ state }) => state === "succeeded").map(({ scheduledFor }) => timeOf(scheduledFor)));

const showSkipped = (rows: RunRow[]) =>
  listed(
    rows.flatMap(({ skipped }) => {
      if (!skipped) return [];
      const { reason, count } = skipped;
      const [first, last] = [timeOf(new Date(skipped.firstAt)), timeOf(new Date(skipped.lastAt))];
      return `${reason} ${count}: ${first === last ? first : `${first} to ${last}`}`;
    }),
  );

for (const [given, happens, runsFor, skipped] of readRows("task", "what happens", "runs for", "skipped"))
  test(`${given}, ${happens}`, async () => {
    await testStore.clear();
    const tasks = await openScheduledTasks(testStore);
    await tasks.setClock(MADE);
    await tasks.putCalendar("closed", ["2026-11-30"]);
    const { schedule: text, overlap = "skip", catchUp } = JSON.parse(toCode(given!));
    const schedule = scheduleField(() => MADE).parse(text);
    const id = newId();
    await tasks.create(id, schedule, { overlap, catchUp: catchUp ? catchUpField.decode(catchUp) : null });
    await new Story(tasks, id, toSpans(happens!)).play();

    const rows = await tasks.readRuns();
    assert.deepEqual([showRuns(rows), showSkipped(rows)], [runsFor, skipped]);
    const [task] = await tasks.readTasks();
    const isOver = task!.runsLeft === 0 || (doesRepeat(schedule) && new Date(schedule.endAt ?? LAST) < LAST);
    assert.equal(task!.state, isOver ? "completed" : "active");
    const open = rows.filter(({ state }) => state !== "succeeded" && state !== "skipped");
    assert.deepEqual(open, [], "nothing is left over");
  });

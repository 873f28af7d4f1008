/** A clock that goes back: what was due already lies ahead again, and is neither lost nor made twice. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { createClockedDatabase } from "../../../test/support/clocked-database.ts";
import { openScheduledTasks } from "../../../test/support/scheduled-tasks.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { newId } from "../ids.ts";
import { ensurePartitions } from "../partitions.ts";
import { openTestStore } from "../testing/test-store.ts";

const at = (time: string) => new Date(`2036-03-03T${time}:00.000Z`);
const testStore = await openTestStore(createClockedDatabase);
await ensurePartitions(testStore.db, at("10:00"));
beforeEach(testStore.clear);

const POLICY = { overlap: "allow", catchUp: null } as const;
const HOURLY: Schedule = { kind: "cron", expression: "0 * * * *", timezone: "UTC" };
const AT_HALF: Schedule = { ...HOURLY, expression: "30 * * * *" };

/** A task whose run of 11:00 has been due for a moment. */
async function makeDue() {
  const tasks = await openScheduledTasks(testStore);
  const id = newId();
  await tasks.setClock(at("10:00"));
  await tasks.create(id, HOURLY, POLICY);
  await tasks.setClock(at("11:00"));
  await tasks.pass();
  const listRuns = async () =>
    (await tasks.readRuns()).map(({ scheduledFor, state }) => [scheduledFor, state]);
  assert.deepEqual(await listRuns(), [[at("11:00"), "queued"]]);
  return { tasks, id, listRuns };
}

test("a task that is paused twice, the clock going back in between, fires what was taken back", async () => {
  const { tasks, id, listRuns } = await makeDue();
  await tasks.pause(id);
  await tasks.setClock(at("10:59"));
  await tasks.pause(id);
  await tasks.resume(id);
  for (const time of ["11:00", "12:00"]) {
    await tasks.setClock(at(time));
    await tasks.pass();
  }
  assert.deepEqual(await listRuns(), [
    [at("11:00"), "queued"],
    [at("12:00"), "queued"],
  ]);
});

test("what it sleeps through then is told of", async () => {
  const { tasks, id } = await makeDue();
  await tasks.pause(id);
  await tasks.setClock(at("10:59"));
  await tasks.pause(id);
  await tasks.setClock(at("12:30"));
  await tasks.resume(id);
  const [row, ...more] = await tasks.readRuns();
  assert.deepEqual([row?.skipped?.reason, row?.skipped?.count, more.length], ["paused", 2, 0]);
});

test("a run of a schedule that is no more is not taken for an instant of the one that stands", async () => {
  const { tasks, id, listRuns } = await makeDue();
  await tasks.put(id, AT_HALF, POLICY);
  await tasks.setClock(at("10:59"));
  await tasks.pause(id);
  await tasks.resume(id);
  assert.deepEqual((await tasks.readTasks())[0]?.nextRunAt, at("11:30"));
  assert.deepEqual(await listRuns(), [[at("11:00"), "queued"]]);
});

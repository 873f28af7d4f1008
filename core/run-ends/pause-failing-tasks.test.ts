import assert from "node:assert/strict";
import { test } from "node:test";
import type { Task } from "../contracts/task-output.ts";
import { pauseFailingTasks } from "./pause-failing-tasks.ts";
import { createRunEnds } from "./run-ends.ts";
import { endedRun } from "./testing/ended-run.ts";

const fail = (error: unknown) => assert.fail(error as Error);

test("only a run that failed, of a task that asks for it, costs a look; those of one batch cost one", async () => {
  const looked: (string | null)[][] = [];
  const told: Task[] = [];
  const paused = { id: "task" } as Task;
  const pause = async (...task: string[]) => {
    looked.push(task);
    return looked.length === 1 ? paused : undefined;
  };
  const ends = createRunEnds([pauseFailingTasks(pause, (task) => told.push(task), fail)], fail);
  const failing = endedRun({ state: "failed", pausesTask: true });
  const dead = endedRun({ state: "dead", pausesTask: true });
  ends.tell([
    endedRun({ state: "failed" }),
    endedRun({ state: "dead" }),
    endedRun({ pausesTask: true }),
    endedRun({ state: "cancelled", pausesTask: true }),
    endedRun({ state: "expired", pausesTask: true }),
    endedRun({ state: "scheduled", pausesTask: true }),
    endedRun({ state: "failed", pausesTask: true, taskId: null }),
    ...[failing, failing, dead],
  ]);
  await ends.flush();
  assert.deepEqual(
    looked.toSorted(),
    [failing, dead].map(({ namespaceId, taskId }) => [namespaceId, taskId]).toSorted(),
  );
  assert.deepEqual(told, [paused]);
});

test("a look that fails is told, and the next failure looks again", async () => {
  const errors: unknown[] = [];
  let looks = 0;
  const pause = async () => {
    if (++looks === 1) throw new Error("the database is away");
    return undefined;
  };
  const ends = createRunEnds([pauseFailingTasks(pause, fail, (error) => errors.push(error))], fail);
  for (let i = 0; i < 2; i += 1) {
    ends.tell([endedRun({ state: "failed", pausesTask: true })]);
    await ends.flush();
  }
  assert.deepEqual([looks, errors.length], [2, 1]);
});

/** A task whose creation was acknowledged fires: each due instant once. */
import type { Evidence, Invariant, RecordedAnswer, RunRow } from "../evidence.ts";

/** Answers that made a task, with its id. */
function* acknowledgedTasks({ answers }: Evidence): Iterable<{ id: string; made: RecordedAnswer }> {
  for (const made of answers) {
    if (made.method !== "POST" || made.path !== "/v1/tasks" || made.status !== 201) continue;
    yield { id: made.answer["id"] as string, made };
  }
}

function runsByTask({ rows }: Evidence): Map<string | null, RunRow[]> {
  return Map.groupBy(
    [...rows.values()].flat().filter(({ trigger }) => trigger === "schedule"),
    ({ taskId }) => taskId,
  );
}

export const acknowledgedFires: Invariant = {
  name: "acknowledged-fires",
  holds: "A task that was acknowledged is there, and one that fires once has one run, at its instant.",
  *find(evidence) {
    const byTask = runsByTask(evidence);
    for (const { id, made } of acknowledgedTasks(evidence)) {
      const task = evidence.tasks.get(id);
      if (!task) {
        yield `task ${id} was acknowledged (${made.key}) and is not there`;
        continue;
      }
      if (isRepeating(task.schedule)) continue;
      const runs = byTask.get(id) ?? [];
      if (runs.length !== 1) yield `task ${id} (${made.act}) was to fire once and has ${runs.length} runs`;
      const nextRunAt = made.answer["nextRunAt"];
      const wanted = typeof nextRunAt === "string" ? Date.parse(nextRunAt) : undefined;
      if (runs[0] && wanted !== undefined && Math.abs(runs[0].scheduledFor - wanted) >= 1)
        yield `task ${id} was to fire at ${nextRunAt}, and its run ${runs[0].id} is of ${new Date(runs[0].scheduledFor).toISOString()}`;
    }
  },
};

export const firesOnce: Invariant = {
  name: "fires-once",
  holds: "No instant of a task has two runs.",
  *find(evidence) {
    for (const [taskId, runs] of runsByTask(evidence)) {
      const fired = runs.filter(({ skipped }) => !skipped);
      for (const [instant, same] of Map.groupBy(fired, ({ scheduledFor }) => scheduledFor))
        if (same.length > 1)
          yield `task ${taskId} fired ${same.length} times for ${new Date(instant).toISOString()}: ${same.map(({ id }) => id)}`;
    }
  },
};

export const isRepeating = (schedule: Record<string, unknown>): boolean =>
  ["every", "cron", "rrule"].includes(String(schedule["kind"]));

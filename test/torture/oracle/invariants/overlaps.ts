/** Occurrences of a task follow each other, unless the task allows them not to. */
import { allChanges, type Invariant, isRepeating, showInstant } from "../evidence.ts";

export const oneAtATime: Invariant = {
  name: "one-at-a-time",
  holds:
    "A run of a task whose overlap is not `allow` starts only when none before it is under way or waits for a retry.",
  *find(evidence) {
    const allowing = allowingTasks(evidence.answers);
    /** Of each task: its runs that have begun and not ended. */
    const begun = new Map<string, Set<string>>();
    for (const { runId, taskId, trigger, op, state, at } of allChanges(evidence)) {
      const task = evidence.tasks.get(taskId ?? "");
      if (trigger !== "schedule" || !task || !isRepeating(task.schedule) || allowing.has(task.id)) continue;
      const runs = begun.get(task.id) ?? new Set();
      begun.set(task.id, runs);
      const isBegun = op !== "D" && ["running", "deferred", "scheduled"].includes(state);
      // A retry that is due is queued again, and a run given back: they keep their place.
      if (op !== "D" && state === "queued") continue;
      if (!isBegun) runs.delete(runId);
      else if (!runs.has(runId)) {
        runs.add(runId);
        if (runs.size > 1)
          yield `task ${task.id}: ${[...runs].join(" and ")} are open at once at ${showInstant(at)}`;
      }
    }
  },
};

/** Those that allow it now, or have at some time. */
function allowingTasks(answers: Parameters<Invariant["find"]>[0]["answers"]): Set<string> {
  const allowing = answers.filter(
    ({ body, answer }) => body?.["overlap"] === "allow" || answer["overlap"] === "allow",
  );
  return new Set(allowing.map(({ answer }) => String(answer["id"])));
}

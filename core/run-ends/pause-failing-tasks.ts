/**
 * After a run failed whose task asks for it: the task is looked at, and paused where enough of its runs failed in a row.
 * States: quiet → looking (what fails meanwhile is looked at next) → quiet. A look that fails, or never comes because
 * its role ended, is made up for by the next failed run of the task.
 */
import type { Task } from "../contracts/task-output.ts";
import type { EndedRun } from "../store/runs/end.ts";
import type { EndConsumer } from "./run-ends.ts";

/**
 * @param pause pauses the task if its last runs failed; undefined: it did not
 * @param tell hears of those that were paused
 */
export function pauseFailingTasks(
  pause: (namespaceId: string, taskId: string) => Promise<Task | undefined>,
  tell: (task: Task) => void,
  onError: (error: unknown) => void,
): EndConsumer {
  const failing = new Map<string, string>();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    // One turn later: what ended in one batch is looked at together.
    await Promise.resolve();
    for (const [taskId, namespaceId] of failing) {
      failing.delete(taskId);
      try {
        const paused = await pause(namespaceId, taskId);
        if (paused) tell(paused);
      } catch (error) {
        onError(error);
      }
    }
    looking = undefined;
  }

  const collect = (runs: EndedRun[]) => {
    for (const { taskId, namespaceId, state, pausesTask } of runs)
      if (pausesTask && taskId !== null && (state === "failed" || state === "dead"))
        failing.set(taskId, namespaceId);
    if (failing.size > 0) looking ??= look();
  };
  return {
    name: "pause failing tasks",
    ...{ final: collect, dead: collect, scheduled: null, givenBack: null },
    async flush() {
      await looking;
    },
  };
}

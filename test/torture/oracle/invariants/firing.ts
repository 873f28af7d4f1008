/** A task whose creation was acknowledged fires: each due instant once. */
import {
  type Evidence,
  type Invariant,
  isRepeating,
  type RecordedAnswer,
  type RunRow,
  showInstant,
} from "../evidence.ts";

/** Answers that made a task; those of a batch one by one. */
function* acknowledgedTasks({ answers }: Evidence): Iterable<RecordedAnswer> {
  for (const made of splitBatches(answers)) if (MAKERS.includes(made.path) && made.status === 201) yield made;
}

/** The second is an application's own transaction. */
const MAKERS = ["/v1/tasks", "COMMIT", "/v1/tasks/batch"];

function* splitBatches(answers: readonly RecordedAnswer[]): Iterable<RecordedAnswer> {
  for (const answer of answers) {
    const items = answer.path === "/v1/tasks/batch" ? answer.answer["items"] : undefined;
    if (!Array.isArray(items)) yield answer;
    else
      for (const [index, { status, task = {} }] of items.entries())
        yield { ...answer, key: `${answer.key}-${index}`, status, answer: task };
  }
}

export function occurrencesByTask({ rows }: Evidence): Map<string | null, RunRow[]> {
  return Map.groupBy(
    [...rows.values()].flat().filter(({ trigger, replayOf }) => trigger === "schedule" && replayOf === null),
    ({ taskId }) => taskId,
  );
}

/** When somebody first asked that a task should end; undefined: nobody did. */
export function endsAsked({ answers }: Evidence): Map<string, number> {
  const asked = new Map<string, number>();
  for (const { method, path, firstAt } of answers) {
    const [, , , id = "", verb] = path.split("/");
    if (!path.startsWith("/v1/tasks/") || !(method === "DELETE" || verb === "cancel")) continue;
    asked.set(id, Math.min(firstAt, asked.get(id) ?? Infinity));
  }
  return asked;
}

/** Labels of the tasks that somebody asked to end, all that have them. */
function labelsAsked({ answers }: Evidence): Set<string> {
  const asked = answers.filter(({ act, body }) => act === "bulk of tasks" && body!["action"] === "cancel");
  return new Set(asked.flatMap(({ body }) => (body!["filter"] as { label: string[] }).label));
}

export const acknowledgedFires: Invariant = {
  name: "acknowledged-fires",
  holds: "A task that was acknowledged is there, and one that fires once has one run, at its instant.",
  *find(evidence) {
    const byTask = occurrencesByTask(evidence);
    const ended = endsAsked(evidence);
    const labels = labelsAsked(evidence);
    for (const made of acknowledgedTasks(evidence)) {
      const id = made.answer["id"] as string;
      const task = evidence.tasks.get(id);
      if (!task) {
        yield `task ${id} was acknowledged (${made.key}) and is not there`;
        continue;
      }
      if (isRepeating(task.schedule)) continue;
      const runs = byTask.get(id) ?? [];
      // One that was cancelled may have ended before its instant.
      const group = (made.answer["labels"] as Record<string, string> | undefined)?.["group"];
      const isEnded = ended.has(id) || (group !== undefined && labels.has(`group=${group}`));
      const isRight = runs.length === 1 || (runs.length === 0 && isEnded);
      if (!isRight) yield `task ${id} (${made.act}) was to fire once and has ${runs.length} runs`;
      const nextRunAt = made.answer["nextRunAt"];
      const wanted = typeof nextRunAt === "string" ? Date.parse(nextRunAt) : undefined;
      if (runs[0] && wanted !== undefined && Math.abs(runs[0].scheduledFor - wanted) >= 1)
        yield `task ${id} was to fire at ${nextRunAt}, and its run ${runs[0].id} is of ${showInstant(runs[0].scheduledFor)}`;
    }
  },
};

export const askedOnce: Invariant = {
  name: "asked-once",
  holds: "A request that is sent again under its idempotency key makes nothing again.",
  *find({ tasks }) {
    const named = [...tasks.values()].filter(({ name }) => name !== null);
    for (const [name, same] of Map.groupBy(named, (task) => task.name))
      if (same.length > 1) yield `request ${name} made ${same.length} tasks: ${same.map(({ id }) => id)}`;
  },
};

export const refusedMakesNothing: Invariant = {
  name: "refused-makes-nothing",
  holds: "A request that was refused has made no task, nor has a transaction that was rolled back.",
  *find({ answers, tasks }) {
    const names = new Map([...tasks.values()].map(({ name, id }) => [name, id]));
    for (const { act, key, status, answer } of splitBatches(answers)) {
      const made = names.get(key);
      const isRefused = (status >= 400 && status < 500) || answer["isRolledBack"] === true;
      if (isRefused && made !== undefined) yield `${act} ${key} was answered ${status} and made task ${made}`;
    }
  },
};

export const firesOnce: Invariant = {
  name: "fires-once",
  holds: "No instant of a task has two runs.",
  *find(evidence) {
    for (const [taskId, runs] of occurrencesByTask(evidence)) {
      for (const [instant, same] of Map.groupBy(runs, ({ scheduledFor }) => scheduledFor)) {
        const fired = same.filter(({ skipped }) => !skipped || skipped.reason === "overlap");
        if (fired.length > 1)
          yield `task ${taskId} fired ${fired.length} times for ${showInstant(instant)}: ${fired.map(({ id }) => id)}`;
      }
    }
  },
};

/** A task whose creation was acknowledged fires: each due instant once. */
import {
  type Evidence,
  type Invariant,
  isRepeating,
  type RecordedAnswer,
  type RunRow,
  showInstant,
  type TaskRecord,
} from "../evidence.ts";

/** Answers that made a task, with its id. */
function* acknowledgedTasks({ answers }: Evidence): Iterable<{ id: string; made: RecordedAnswer }> {
  for (const made of answers)
    if (made.method === "POST" && made.path === "/v1/tasks" && made.status === 201)
      yield { id: made.answer["id"] as string, made };
}

function occurrencesByTask({ rows }: Evidence): Map<string | null, RunRow[]> {
  return Map.groupBy(
    [...rows.values()].flat().filter(({ trigger, replayOf }) => trigger === "schedule" && replayOf === null),
    ({ taskId }) => taskId,
  );
}

/** When somebody first asked that a task should end; undefined: nobody did. */
function endsAsked({ answers }: Evidence): Map<string, number> {
  const asked = new Map<string, number>();
  for (const { method, path, firstAt } of answers) {
    const [, , , id = "", verb] = path.split("/");
    if (!path.startsWith("/v1/tasks/") || !(method === "DELETE" || verb === "cancel")) continue;
    asked.set(id, Math.min(firstAt, asked.get(id) ?? Infinity));
  }
  return asked;
}

export const acknowledgedFires: Invariant = {
  name: "acknowledged-fires",
  holds: "A task that was acknowledged is there, and one that fires once has one run, at its instant.",
  *find(evidence) {
    const byTask = occurrencesByTask(evidence);
    const ended = endsAsked(evidence);
    for (const { id, made } of acknowledgedTasks(evidence)) {
      const task = evidence.tasks.get(id);
      if (!task) {
        yield `task ${id} was acknowledged (${made.key}) and is not there`;
        continue;
      }
      if (isRepeating(task.schedule)) continue;
      const runs = byTask.get(id) ?? [];
      // One that was cancelled may have ended before its instant.
      const isRight = runs.length === 1 || (runs.length === 0 && ended.has(id));
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

export const everyInstant: Invariant = {
  name: "every-instant",
  holds: "Each instant of a repeating task, until it is cancelled, has a run or is told of by a skipped one.",
  *find(evidence) {
    const byTask = occurrencesByTask(evidence);
    const ended = endsAsked(evidence);
    for (const task of evidence.tasks.values()) {
      const until = ended.get(task.id);
      if (until === undefined || task.wasRescheduled) continue;
      const told = toldBy(byTask.get(task.id) ?? []);
      for (const instant of instantsOf(task, until))
        if (!told(instant)) yield `task ${task.id}: nothing tells of ${showInstant(instant)}`;
    }
  },
};

/** Of those kinds whose instants are plain to see; none of others. */
function* instantsOf({ schedule, anchorAt, createdAt }: TaskRecord, until: number): Iterable<number> {
  const { kind, everyMs, expression } = schedule;
  const seconds = /^\*\/(\d+) \* \* \* \* \*$/.exec(String(expression))?.[1];
  if (kind === "every")
    for (let instant = anchorAt + Number(everyMs); instant < until; instant += Number(everyMs))
      yield Math.round(instant);
  if (kind === "cron" && seconds !== undefined) {
    // A minute holds a whole number of such steps, so the epoch is as good as any.
    const stepMs = Number(seconds) * 1_000;
    for (let instant = (Math.floor(createdAt / stepMs) + 1) * stepMs; instant < until; instant += stepMs)
      yield instant;
  }
}

function toldBy(runs: readonly RunRow[]): (instant: number) => boolean {
  const instants = new Set(runs.map(({ scheduledFor }) => Math.round(scheduledFor)));
  const spans = runs.flatMap(({ skipped }) =>
    skipped ? [{ from: Date.parse(skipped.firstAt), to: Date.parse(skipped.lastAt) }] : [],
  );
  return (instant) =>
    instants.has(instant) || spans.some(({ from, to }) => instant >= from - 1 && instant <= to + 1);
}

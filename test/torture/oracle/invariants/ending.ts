/** Once all is healed everything ends, on time, and nothing has grown. */
import { type Evidence, type Invariant, isRepeating, type RecordedFault, showInstant } from "../evidence.ts";

export const nothingStuck: Invariant = {
  name: "nothing-stuck",
  holds: "After healing every run ends, but for dead letters, and nothing is left to be done.",
  *find({ facts }) {
    for (const { what, id } of facts.unquiet) yield `${what} is still under way: ${id}`;
  },
};

/** On a machine that has just started everything anew. */
const SETTLE_MS = 5_000;
const WINDOW_MS = 10_000;

export const onTimeAfterwards: Invariant = {
  name: "on-time-afterwards",
  holds: `What falls due ${SETTLE_MS / 1_000} s after healing or later, when what was due before has started, and has no limit to wait for, starts within ${WINDOW_MS / 1_000} s.`,
  *find(evidence) {
    const { facts } = evidence;
    const runs = [...promptRuns(evidence)];
    const backlog = runs.filter(({ scheduledFor }) => scheduledFor < facts.healedAt);
    const settledAt = backlog.reduce(
      (end, { startedAt }) => Math.max(end, startedAt),
      facts.healedAt + SETTLE_MS,
    );
    for (const { id, scheduledFor, startedAt } of runs)
      if (scheduledFor >= settledAt && startedAt - scheduledFor > WINDOW_MS)
        yield `run ${id} of ${showInstant(scheduledFor)} started ${Math.round(startedAt - scheduledFor)} ms late`;
  },
};

/** Those that wait for no limit and for no other run; a later attempt has a start of its own. */
function* promptRuns({ rows, changes, tasks }: Evidence) {
  for (const [id, [row]] of rows) {
    const { scheduledFor, startedAt, taskId, trigger, attempt } = row!;
    const schedule = tasks.get(taskId ?? "")?.schedule;
    const waitsForItsTurn = trigger === "schedule" && schedule !== undefined && isRepeating(schedule);
    const start = changes.get(id)?.find(({ state }) => state === "running");
    const hasLimits = (start?.limitKeys ?? []).length > 0;
    if (startedAt === null || waitsForItsTurn || hasLimits || start?.attempt !== attempt) continue;
    yield { id, scheduledFor, startedAt };
  }
}

/** A sample takes a moment. */
const isBetween = (at: number, fault: RecordedFault) => at > fault.at && at < fault.healedAt + 1_000;

const MAX_ROLE_BYTES = 600_000_000;
const MAX_DESCRIPTORS = 400;
const MAX_CONNECTIONS = 220;

export const bounded: Invariant = {
  name: "bounded",
  holds:
    "No role takes more than 600 MB or 400 descriptors, and all together have at most 220 connections to the database.",
  *find({ samples, faults }) {
    const isExhausted = (name: string, at: number) =>
      faults.some((fault) => fault.kind === "out-of-memory" && fault.part === name && isBetween(at, fault));
    for (const { at, roleBytes, roleDescriptors, connections } of samples) {
      for (const [name, count] of Object.entries(roleDescriptors))
        if (count > MAX_DESCRIPTORS) yield `${name} had ${count} descriptors at ${showInstant(at)}`;
      for (const [name, bytes] of Object.entries(roleBytes))
        if (bytes > MAX_ROLE_BYTES && !isExhausted(name, at))
          yield `${name} took ${bytes} bytes at ${showInstant(at)}`;
      if ((connections ?? 0) > MAX_CONNECTIONS) yield `${connections} connections at ${showInstant(at)}`;
    }
  },
};

export const noLag: Invariant = {
  name: "no-lag",
  holds: "Once all is quiet every bell on Kafka has been dealt with.",
  *find({ facts }) {
    for (const { topic, partition, lag } of facts.lags)
      if (lag !== 0)
        yield `partition ${partition} of ${topic} has ${lag} messages that its group has not dealt with`;
  },
};

/** What the last runs tell: outcomes and lateness, minute by minute. Pure. */
import type { Schemas } from "../../client/client.ts";

type Run = Schemas["Run"];

const MINUTE_MS = 60_000;

export interface Minutes {
  /** Seconds since 1970, as the chart has it. */
  at: number[];
  succeeded: number[];
  failed: number[];
  other: number[];
  /** The longest wait beyond its instant of a run that began in that minute, in seconds; null: none did. */
  lateness: (number | null)[];
}

const isFailure = ({ state }: Run) => state === "failed" || state === "dead";

export function countMinutes(runs: readonly Run[], now: Date, minutes: number): Minutes {
  const last = Math.floor(now.getTime() / MINUTE_MS);
  const first = last - minutes + 1;
  const zeros = () => new Array<number>(minutes).fill(0);
  const counted: Minutes = {
    ...{ at: Array.from({ length: minutes }, (_, index) => (first + index) * 60) },
    ...{ succeeded: zeros(), failed: zeros(), other: zeros() },
    lateness: new Array<number | null>(minutes).fill(null),
  };
  for (const run of runs) {
    const ended = run.finishedAt === null ? undefined : indexOf(run.finishedAt);
    const kind = run.state === "succeeded" ? "succeeded" : isFailure(run) ? "failed" : "other";
    if (ended !== undefined && ended >= 0 && ended < minutes) counted[kind][ended]! += 1;
    if (run.startedAt === null || run.attempt > 1) continue;
    const began = indexOf(run.startedAt);
    const late = Math.max(0, Date.parse(run.startedAt) - Date.parse(run.scheduledFor)) / 1_000;
    if (began >= 0 && began < minutes) counted.lateness[began] = Math.max(counted.lateness[began] ?? 0, late);
  }
  return counted;

  function indexOf(at: string): number {
    return Math.floor(Date.parse(at) / MINUTE_MS) - first;
  }
}

export interface FailingTask {
  taskId: string;
  name: string;
  failures: number;
  runs: number;
}

/** Tasks that failed among these runs, the worst first. */
export function findFailing(runs: readonly Run[], most = 5): FailingTask[] {
  const byTask = new Map<string, FailingTask>();
  for (const run of runs) {
    if (run.taskId === null || run.finishedAt === null) continue;
    const name = run.function ?? `${run.type} task`;
    const known = byTask.get(run.taskId) ?? { taskId: run.taskId, name, failures: 0, runs: 0 };
    known.runs += 1;
    if (isFailure(run)) known.failures += 1;
    byTask.set(run.taskId, known);
  }
  const failing = [...byTask.values()].filter(({ failures }) => failures > 0);
  return failing.sort((a, b) => b.failures - a.failures).slice(0, most);
}

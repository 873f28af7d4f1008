/**
 * How densely the tasks of a namespace fire, slice by slice of a span to come. Each task is walked through for a share of what
 * an answer may cost; one that fires more often is taken to go on as it began.
 */
import { MAX_SEARCH_MS, SearchTurns } from "../../search-turns.ts";
import type { QueryScope } from "../database.ts";
import { advance, firstHead, readUpcomingTasks, type UpcomingTask } from "./upcoming.ts";

export interface DensitySpan {
  fromMs: number;
  untilMs: number;
  slices: number;
}

export interface UpcomingDensity {
  counts: number[];
  /** Not each instant was found: some tasks fire too often, or there are too many of them. */
  isEstimated: boolean;
}

export const MAX_TASKS = 2_000;
/** Instants of all tasks together, and of a task at the least. */
const MAX_WALKED = 40_000;
const LEAST_WALKED = 20;

export async function countUpcoming(
  scope: QueryScope,
  namespaceId: string,
  span: DensitySpan,
  turns = new SearchTurns(MAX_SEARCH_MS),
): Promise<UpcomingDensity> {
  const tasks = await readUpcomingTasks(scope, namespaceId, new Date(span.untilMs), MAX_TASKS + 1);
  const density: UpcomingDensity = {
    counts: new Array<number>(span.slices).fill(0),
    isEstimated: tasks.length > MAX_TASKS,
  };
  const share = Math.max(LEAST_WALKED, Math.floor(MAX_WALKED / Math.max(1, tasks.length)));
  for (const task of tasks.slice(0, MAX_TASKS)) await countTask(task, span, density, share, turns);
  return { ...density, counts: density.counts.map(Math.round) };
}

async function countTask(
  task: UpcomingTask,
  { fromMs, untilMs, slices }: DensitySpan,
  density: UpcomingDensity,
  share: number,
  turns: SearchTurns,
): Promise<void> {
  const sliceMs = (untilMs - fromMs) / slices;
  const add = (atMs: number, count: number) => {
    const slice = Math.min(slices - 1, Math.max(0, Math.floor((atMs - fromMs) / sliceMs)));
    density.counts[slice]! += count;
  };
  const firstMs = task.next_run_at.getTime();
  let lastMs = firstMs;
  let walked = 0;
  let head: ReturnType<typeof advance> = firstHead(task);
  while (head && head.atMs <= untilMs) {
    if (walked === share || turns.isSpent) break;
    add(head.atMs, 1);
    [lastMs, walked] = [head.atMs, walked + 1];
    head = advance(head);
    if (turns.isTurnOver) await turns.giveWay();
  }
  if (!head || head.atMs > untilMs) return;
  density.isEstimated = true;
  // As often as before; of a task that has only so many runs left no more than those.
  const everyMs = walked > 1 ? (lastMs - firstMs) / (walked - 1) : untilMs - fromMs;
  const rest = Math.min((untilMs - lastMs) / everyMs, head.left === null ? Infinity : head.left + 1);
  for (let fromSliceMs = fromMs; fromSliceMs < untilMs; fromSliceMs += sliceMs) {
    const overlapMs = fromSliceMs + sliceMs - Math.max(fromSliceMs, lastMs);
    if (overlapMs > 0) add(fromSliceMs, (rest * overlapMs) / (untilMs - lastMs));
  }
}

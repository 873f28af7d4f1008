/**
 * What the tasks of a namespace fire next, merged. Tasks are read along their cursors, as many as the page needs: the
 * first page costs no more of them than it has instants. A later one looks at each task that fires before it, for it may
 * fire again, and never at those that fire later.
 */
import type { ComingInstant } from "../../contracts/occurrence.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { FindNext } from "../../domain/skipped.ts";
import { MAX_SEARCH_MS, SearchTurns } from "../../search-turns.ts";
import type { QueryScope } from "../database.ts";
import { toColumn, toNominal } from "./cursor.ts";
import { createFindNext, loadExclusions } from "./exclusions.ts";

export interface UpcomingInstant extends ComingInstant {
  taskId: string;
  name: string | null;
}

/** Where a page ends: instants of one effective time stand in the order of their tasks' ids. */
export interface UpcomingPosition {
  atMs: number;
  taskId: string;
}

interface TaskRow {
  id: string;
  name: string | null;
  schedule: Schedule;
  anchor_at: Date;
  next_run_at: Date;
  jitter_offset_ms: number | null;
  runs_left: number | null;
}

export interface UpcomingTask extends TaskRow {
  findNext: FindNext;
}

interface Head extends UpcomingPosition {
  task: UpcomingTask;
  /** Runs that it may have after this one; null: any number. */
  left: number | null;
}

/** How many tasks are read at once: first, and with each reading twice as many, at most. */
const BATCH = { first: 250, most: 2_000 };

/** Of before the position only those that may fire again. */
const SELECT = `SELECT id, name, schedule, anchor_at, next_run_at, jitter_offset_ms, runs_left FROM tasks
  WHERE namespace_id = $1 AND state = 'active' AND next_run_at <= $2
    AND ($3::timestamptz IS NULL OR (next_run_at, id) > ($3, $4::uuid))
    AND ($6::timestamptz IS NULL OR next_run_at >= $6 OR schedule ->> 'kind' NOT IN ('once', 'delay'))
  ORDER BY next_run_at, id LIMIT $5`;

/** The next to fire, each with its search, up to `limit` of those that fire until `until`. */
export async function readUpcomingTasks(
  scope: QueryScope,
  namespaceId: string,
  until: Date,
  limit: number,
): Promise<UpcomingTask[]> {
  const values = [namespaceId, until, null, null, limit, null];
  const { rows } = await scope.pool.query<TaskRow>({ name: "upcoming", text: SELECT, values });
  return await withSearches(scope, rows);
}

/** Up to `limit` instants after `after`, until `until`. */
export async function listUpcoming(
  scope: QueryScope,
  namespaceId: string,
  until: Date,
  after: UpcomingPosition | undefined,
  limit: number,
): Promise<UpcomingInstant[]> {
  const turns = new SearchTurns();
  /** The first ones, in order: no more of them than are wanted. */
  const heads: Head[] = [];
  const found: UpcomingInstant[] = [];
  const add = (head: Head | undefined) => {
    if (!head || head.atMs > until.getTime()) return;
    insertInOrder(heads, head);
    heads.length = Math.min(heads.length, limit - found.length);
  };
  let last: UpcomingPosition | undefined;
  let isAllRead = false;
  let batch = BATCH.first;
  while (found.length < limit) {
    // Before a head counts as the first, every task has been read whose cursor comes before it.
    while (!isAllRead && (heads[0] === undefined || !last || comesAfter(heads[0], last))) {
      const { rows } = await scope.pool.query<TaskRow>({
        name: "upcoming",
        text: SELECT,
        values: [
          namespaceId,
          until,
          last && new Date(last.atMs),
          last?.taskId,
          batch,
          after && new Date(after.atMs),
        ],
      });
      for (const task of await withSearches(scope, rows)) {
        add(await skipTo(task, after, turns));
        if (turns.isTurnOver) await turns.giveWay();
      }
      isAllRead = rows.length < batch;
      const end = rows.at(-1);
      if (end) last = { atMs: end.next_run_at.getTime(), taskId: end.id };
      batch = Math.min(batch * 2, BATCH.most);
    }
    const head = heads.shift();
    if (!head) break;
    found.push(toInstant(head));
    add(advance(head));
    if (turns.isTurnOver) await turns.giveWay();
  }
  return found;
}

const SELECT_ONE = `SELECT id, name, schedule, anchor_at, next_run_at, jitter_offset_ms, runs_left, state FROM tasks
  WHERE namespace_id = $1 AND id = $2 AND removed_at IS NULL`;

/**
 * The next `count` instants of one task; of one that is not active, none. Cut: there may be more, and the search for them
 * would take long. Undefined: there is no such task.
 */
export async function listNextOfTask(
  scope: QueryScope,
  namespaceId: string,
  taskId: string,
  count: number,
  turns = new SearchTurns(MAX_SEARCH_MS),
): Promise<{ schedule: Schedule; instants: UpcomingInstant[]; isCut: boolean } | undefined> {
  const { rows } = await scope.pool.query<TaskRow & { state: string }>(SELECT_ONE, [namespaceId, taskId]);
  const [task] = await withSearches(scope, rows);
  if (!task) return undefined;
  const instants: UpcomingInstant[] = [];
  let head = task.state === "active" && task.next_run_at ? firstHead(task) : undefined;
  while (head && instants.length < count && !turns.isSpent) {
    instants.push(toInstant(head));
    if (instants.length < count) head = advance(head);
    if (turns.isTurnOver) await turns.giveWay();
  }
  return { schedule: task.schedule, instants, isCut: head !== undefined && instants.length < count };
}

async function withSearches<Row extends TaskRow>(scope: QueryScope, rows: Row[]) {
  const exclusions = await loadExclusions(scope, rows);
  return rows.map((row) => ({
    ...row,
    findNext: createFindNext(row.schedule, row.anchor_at, exclusions.get(row.id)),
  }));
}

function toInstant({ task, atMs }: Head): UpcomingInstant {
  const effectiveAt = new Date(atMs);
  const nominalAt = toNominal(effectiveAt, task.jitter_offset_ms)!;
  return { taskId: task.id, name: task.name, nominalAt, effectiveAt };
}

const comesAfter = (one: UpcomingPosition, other: UpcomingPosition) =>
  one.atMs > other.atMs || (one.atMs === other.atMs && one.taskId > other.taskId);

function insertInOrder(heads: Head[], head: Head): void {
  let [low, high] = [0, heads.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comesAfter(head, heads[middle]!)) low = middle + 1;
    else high = middle;
  }
  heads.splice(low, 0, head);
}

export const firstHead = (task: UpcomingTask): Head => ({
  ...{ task, taskId: task.id, atMs: task.next_run_at.getTime() },
  left: task.runs_left === null ? null : task.runs_left - 1,
});

/** The task's first instant after the position. How many runs it has left is counted from its cursor. */
async function skipTo(
  task: UpcomingTask,
  after: UpcomingPosition | undefined,
  turns: SearchTurns,
): Promise<Head | undefined> {
  let head: Head | undefined = firstHead(task);
  if (!after) return head;
  // Without a count to keep there is no need to walk.
  if (head.left === null && head.atMs < after.atMs)
    head = advance({ ...head, atMs: Math.max(head.atMs, after.atMs - 1) });
  while (head && !comesAfter(head, after)) {
    head = advance(head);
    if (turns.isTurnOver) await turns.giveWay();
  }
  return head;
}

/** Of a task whose next instant cannot be found no further one is shown. */
export function advance({ task, atMs, left }: Head): Head | undefined {
  if (left === 0) return undefined;
  const nominal = toNominal(new Date(atMs), task.jitter_offset_ms)!;
  try {
    const next = toColumn(task.findNext(nominal), task.jitter_offset_ms);
    const after = left === null ? null : left - 1;
    return next ? { task, taskId: task.id, atMs: next.getTime(), left: after } : undefined;
  } catch {
    return undefined;
  }
}

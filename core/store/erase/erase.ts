/**
 * An erasure: a bulk action that removes the tasks that a filter finds with all that is theirs. Its states, each a batch or
 * more, kept in `progress`: asked → settling (what was under way when it began is waited for) → enqueued (what is to become such a task
 * goes) → tasks (a page of them at a time is hidden, its open runs are ended and waited for, its rows erased) → each place that
 * may quote them (quotes.ts) → over.
 *
 * Hidden, a task gets no further run, and its row stays until all else of it is gone: an erasure that failed is asked for once
 * more and finds it. What is asked to abort takes no further page, and finishes what it has begun.
 */
import { labelPairs, type TaskFilter } from "../../contracts/task-filter.ts";
import { ERASE } from "../../domain/bulk.ts";
import { type BulkEffects, NO_EFFECTS } from "../bulk/act.ts";
import { takeWithinRuns } from "../bulk/take-within-runs.ts";
import { cancelRuns, discardDeadLetters } from "../runs/cancel.ts";
import { hideTasksIn } from "../tasks/end.ts";
import type { Transaction } from "../transaction.ts";
import { COMPLETE_BELOW, NEXT_XID } from "../xid.ts";
import { lookThrough, QUOTING, type Quoting } from "./quotes.ts";
import {
  type ErasedCounts,
  type ErasedScope,
  eraseEndedRuns,
  eraseNaming,
  eraseTasks,
  findEndedRuns,
} from "./task-data.ts";

/** Tasks that are erased together. */
export const TASK_PAGE = 50;
const RUN_BATCH = 500;
/** One may be as long as a request. */
const ENQUEUED_BATCH = 100;

interface AnyProgress {
  /** The last task that it may find: whose clock was ahead has made some with later ids than its own. */
  untilId: string;
  /** Those that are hidden and not erased yet: of an erasure that failed, and then of the page. */
  taskIds: readonly string[];
}

export type ErasureProgress = AnyProgress &
  (
    | { at: "asked" }
    /** Until every transaction below this number has ended. */
    | { at: "settling"; xid: string }
    | { at: "enqueued"; reached: string | null }
    | { at: "tasks"; isLast: boolean }
    | { at: Quoting; reached: string | null }
  );

type Of<At extends ErasureProgress["at"]> = Extract<ErasureProgress, { at: At }>;

export interface Erasure extends ErasedScope {
  filter: TaskFilter;
  progress: ErasureProgress;
  isAborting: boolean;
  now: Date;
  /** The next that the filter finds, of those that were there when it began. */
  findTasks(limit: number): Promise<{ ids: string[]; nextId: string | null }>;
}

export interface ErasureStep extends BulkEffects {
  erased: ErasedCounts;
  progress: ErasureProgress;
  /** The last task that the filter found; left out: it found none. */
  reachedId?: string | undefined;
  /** `waits`: for runs that were asked to stop. */
  next: "more" | "waits" | "over";
}

/** The next of what is to be done. */
export async function eraseBatch(tx: Transaction, erasure: Erasure): Promise<ErasureStep> {
  const { progress } = erasure;
  if (progress.at === "asked") return await begin(tx, erasure);
  if (progress.at === "settling") return await settle(tx, progress);
  if (progress.at === "enqueued") return await eraseEnqueued(tx, erasure, progress);
  if (progress.at !== "tasks") return await eraseQuotes(tx, erasure, progress);
  if (progress.taskIds.length > 0) return await erasePage(tx, erasure, progress);
  return progress.isLast || erasure.isAborting
    ? toStep({ ...toBase(progress), at: QUOTING[0], reached: null })
    : await hidePage(tx, erasure, progress);
}

const toBase = ({ untilId, taskIds }: AnyProgress): AnyProgress => ({ untilId, taskIds });

const toStep = (
  progress: ErasureProgress,
  { erased = {}, ...more }: Partial<ErasureStep> = {},
): ErasureStep => ({
  ...NO_EFFECTS,
  ...{ progress, next: "more" },
  ...more,
  erased: Object.fromEntries(Object.entries(erased).filter(([, count]) => count > 0)),
});

/** What an erasure that failed has left is this one's from now on: what it erased, and what it had hidden. */
async function begin(
  { pool }: Transaction,
  { bulkId, namespaceId, progress: { untilId } }: Erasure,
): Promise<ErasureStep> {
  await pool.query(
    `UPDATE erased_tasks e SET bulk_id = $1 WHERE namespace_id = $2
       AND NOT EXISTS (SELECT FROM bulk_actions b WHERE b.id = e.bulk_id AND b.state = 'running')
       AND NOT EXISTS (SELECT FROM erased_tasks o WHERE o.bulk_id = $1 AND o.task_id = e.task_id)`,
    [bulkId, namespaceId],
  );
  const { rows: left } = await pool.query<{ taskIds: string[] }>(
    `UPDATE bulk_actions b SET progress = NULL FROM (
       SELECT id, ARRAY(SELECT jsonb_array_elements_text(progress -> 'taskIds')) AS "taskIds" FROM bulk_actions
       WHERE namespace_id = $1 AND action = '${ERASE}' AND state = 'failed' AND progress -> 'taskIds' <> '[]' FOR UPDATE
     ) AS f WHERE b.id = f.id RETURNING f."taskIds"`,
    [namespaceId],
  );
  const { rows } = await pool.query<{ xid: string }>(`SELECT ${NEXT_XID} AS xid`);
  const taskIds = [...new Set(left.flatMap((failed) => failed.taskIds))];
  return toStep({ at: "settling", xid: rows[0]!.xid, untilId, taskIds });
}

/** Requests that came before it may not have made their tasks yet, and no filter finds those. */
async function settle({ pool }: Transaction, progress: Of<"settling">): Promise<ErasureStep> {
  const { rows } = await pool.query<{ isSettled: boolean }>(
    `SELECT ${COMPLETE_BELOW} >= $1::bigint AS "isSettled"`,
    [progress.xid],
  );
  if (!rows[0]!.isSettled) return toStep(progress, { next: "waits" });
  return toStep({ ...toBase(progress), at: "enqueued", reached: null });
}

/**
 * Those that were refused, and those whose task nobody has made yet: whoever makes one holds its row, and is waited for. What
 * is asked of tasks as they stand finds none of them.
 */
async function eraseEnqueued(
  tx: Transaction,
  { namespaceId, isAborting, filter }: Erasure,
  progress: Of<"enqueued">,
): Promise<ErasureStep> {
  const { label = [], ...besides } = filter;
  const next: ErasureProgress = { ...toBase(progress), at: "tasks", isLast: false };
  if (isAborting || Object.values(besides).some((value) => value !== undefined)) return toStep(next);
  const { rows } = await tx.pool.query<{ seq: string; text: string }>(
    `SELECT seq, task::text AS text FROM enqueued_tasks
     WHERE namespace_id = $1 AND task_id <= $2 AND action = 'enqueue' AND seq > $3 ORDER BY seq LIMIT $4`,
    [namespaceId, progress.untilId, progress.reached ?? 0, ENQUEUED_BATCH],
  );
  const wanted = labelPairs(label);
  const ours = rows.flatMap(({ seq, text }) => (hasLabels(text, wanted) ? [seq] : []));
  const { rowCount } = await tx.pool.query("DELETE FROM enqueued_tasks WHERE seq = ANY($1::bigint[])", [
    ours,
  ]);
  const erased = { enqueuedTasks: rowCount ?? 0 };
  if (rows.length < ENQUEUED_BATCH) return toStep(next, { erased });
  return toStep({ ...progress, reached: rows.at(-1)!.seq }, { erased });
}

/** Of what an application has written: it may be anything. */
function hasLabels(text: string, wanted: readonly [name: string, value: string][]): boolean {
  const { labels } = (JSON.parse(text) ?? {}) as { labels?: Record<string, unknown> | null };
  return wanted.every(([name, value]) => labels?.[name] === value);
}

/** From now on nobody is shown them, and they get no further run. */
async function hidePage(
  tx: Transaction,
  { namespaceId, now, findTasks }: Erasure,
  progress: Of<"tasks">,
): Promise<ErasureStep> {
  const { ids, nextId } = await findTasks(TASK_PAGE);
  if (ids.length === 0)
    return toStep({ ...progress, isLast: nextId === null }, { reachedId: nextId ?? undefined });
  const taken = await takeWithinRuns(tx, ids);
  const { runs } = await hideTasksIn(tx, namespaceId, taken, now);
  const isAll = taken.length === ids.length;
  return toStep(
    { ...progress, taskIds: taken, isLast: isAll && nextId === null },
    { ...runs, reachedId: isAll ? (nextId ?? taken.at(-1)) : taken.at(-1) },
  );
}

/** Of the page: the first that finds something does a batch of it. */
async function erasePage(tx: Transaction, erasure: Erasure, progress: Of<"tasks">): Promise<ErasureStep> {
  const { taskIds } = progress;
  const ending = await endRuns(tx, erasure, progress);
  if (ending) return ending;
  const erased = await eraseEndedRuns(tx, erasure, await findEndedRuns(tx, taskIds));
  if (Object.keys(erased).length > 0) return toStep(progress, { erased });
  const named = await eraseNaming(tx, erasure, taskIds);
  if (Object.keys(named).length > 0) return toStep(progress, { erased: named });
  const tasks = await eraseTasks(tx, erasure, taskIds);
  return toStep({ ...progress, taskIds: [] }, { erased: { tasks } });
}

/** Those that wait end here; those that run are asked once, and are waited for. */
async function endRuns(
  tx: Transaction,
  { namespaceId }: Erasure,
  progress: Of<"tasks">,
): Promise<ErasureStep | undefined> {
  const { rows } = await tx.pool.query<{ id: string; state: string; isAsked: boolean }>(
    `SELECT id, state, state = 'running' AND cancel_requested_at IS NOT NULL AS "isAsked" FROM task_runs_open
     WHERE task_id = ANY($1::uuid[]) ORDER BY 3 LIMIT $2`,
    [progress.taskIds, RUN_BATCH],
  );
  if (rows.length === 0) return undefined;
  const idsOf = (isChosen: (run: (typeof rows)[number]) => boolean) =>
    rows.flatMap((run) => (isChosen(run) ? [run.id] : []));
  const dead = idsOf(({ state }) => state === "dead");
  const others = idsOf(({ state, isAsked }) => state !== "dead" && !isAsked);
  if (dead.length + others.length === 0) return toStep(progress, { next: "waits" });
  const discarded = dead.length > 0 ? await discardDeadLetters(tx, namespaceId, dead) : [];
  const { ended, asked } = await cancelRuns(tx, namespaceId, { runIds: others });
  return toStep(progress, { ended: [...discarded, ...ended], asked });
}

async function eraseQuotes(
  tx: Transaction,
  { bulkId, namespaceId }: Erasure,
  progress: Of<Quoting>,
): Promise<ErasureStep> {
  const { at, reached: after } = progress;
  const {
    reached,
    erased,
    waits,
    ended = [],
    asked = [],
  } = await lookThrough(at, tx, { bulkId, namespaceId }, after);
  const effects = { erased, ended, asked };
  if (waits) return toStep({ ...progress, reached }, { ...effects, next: "waits" });
  if (reached !== null) return toStep({ ...progress, reached }, effects);
  const place = QUOTING[QUOTING.indexOf(at) + 1];
  if (place) return toStep({ ...toBase(progress), at: place, reached: null }, effects);
  await tx.pool.query("DELETE FROM erased_tasks WHERE bulk_id = $1", [bulkId]);
  return toStep({ ...progress, reached }, { ...effects, next: "over" });
}

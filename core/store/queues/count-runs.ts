/**
 * How many runs of queues run and wait, and for what. Running ones are as few as there are slots. Waiting ones are
 * counted one by one: of a queue that they name by an index of its own, of `default` among all open runs of the
 * namespace. No more than `MAX_COUNTED` are looked at: each queue that is asked for has the same share of that.
 */
import { DEFAULT_QUEUE } from "../../domain/limit-keys.ts";
import { WAIT_REASONS, type WaitReason } from "../../domain/queue.ts";
import type { QueryScope } from "../database.ts";
import { LIMIT_OF_WAITING, WAITING_REASON } from "../limits/waiting-reason.ts";

/** In one answer: about half a second of one core. */
export const MAX_COUNTED = 250_000;

export interface QueueCounts {
  running: number;
  waiting: number;
  /** Since when the oldest of those could start, but for its limits. */
  oldestWaitingAt: Date | null;
  waitingFor: Record<WaitReason, number>;
}

const countWaiting = (queue: string, isOfQueue: string) => `
  SELECT ${queue} AS queue, c.* FROM (
    SELECT w.reason, count(*)::int AS count, min(w.available_at) AS oldest FROM (
      SELECT ${WAITING_REASON} AS reason, r.available_at
      FROM task_runs_open r LEFT JOIN run_limits l ON l.key = ${LIMIT_OF_WAITING}
      WHERE r.namespace_id = $1 AND r.state = 'queued' AND ${isOfQueue} LIMIT $3
    ) AS w WHERE w.reason IS NOT NULL GROUP BY w.reason
  ) AS c`;

const COUNT_NAMED = `SELECT n.* FROM unnest($2::text[]) AS q(name) CROSS JOIN LATERAL (${countWaiting(
  "q.name",
  "r.queue = q.name",
)}) AS n`;
const COUNT_DEFAULT = countWaiting("$2::text", "coalesce(r.queue, $2) = $2");
// Each state has an index of its own.
const COUNT_RUNNING = ["running", "deferred"]
  .map(
    (state) => `SELECT coalesce(queue, $2) AS queue, count(*)::int AS count FROM task_runs_open
      WHERE state = '${state}' AND namespace_id = $1 GROUP BY 1`,
  )
  .join(" UNION ALL ");

interface WaitingRow {
  queue: string;
  reason: WaitReason;
  count: number;
  oldest: Date;
}

/** Of these queues of the namespace, by their names. */
export async function countQueueRuns(
  { pool }: QueryScope,
  namespaceId: string,
  names: string[],
  maxCounted = MAX_COUNTED,
): Promise<Map<string, QueueCounts>> {
  const counts = new Map(names.map((name) => [name, noRuns()]));
  const share = Math.ceil(maxCounted / names.length);
  const named = names.filter((name) => name !== DEFAULT_QUEUE);
  const waiting =
    named.length > 0 ? (await pool.query<WaitingRow>(COUNT_NAMED, [namespaceId, named, share])).rows : [];
  if (counts.has(DEFAULT_QUEUE))
    waiting.push(...(await pool.query<WaitingRow>(COUNT_DEFAULT, [namespaceId, DEFAULT_QUEUE, share])).rows);
  for (const { queue, reason, count, oldest } of waiting) {
    const of = counts.get(queue)!;
    of.waiting += count;
    of.waitingFor[reason] += count;
    if (of.oldestWaitingAt === null || oldest < of.oldestWaitingAt) of.oldestWaitingAt = oldest;
  }
  const { rows: running } = await pool.query<{ queue: string; count: number }>(COUNT_RUNNING, [
    namespaceId,
    DEFAULT_QUEUE,
  ]);
  for (const { queue, count } of running) {
    const of = counts.get(queue);
    if (of) of.running += count;
  }
  return counts;
}

const noRuns = (): QueueCounts => ({
  running: 0,
  waiting: 0,
  oldestWaitingAt: null,
  waitingFor: Object.fromEntries(WAIT_REASONS.map((reason) => [reason, 0])) as Record<WaitReason, number>,
});

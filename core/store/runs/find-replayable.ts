/** Everything a replay must know of the original run and its origin, in one query. */
import type { ReplayFacts } from "../../domain/replay.ts";
import type { QueryScope } from "../database.ts";
import { IS_QUEUE_THERE } from "./queue-there.ts";
import { endedWithin, SHOWN_STATE } from "./read.ts";

const COLUMNS = `r.id, r.namespace_id, ${SHOWN_STATE} AS state, r.type, r.trigger, r.task_id, r.function_id, r.revision_id, r.target, r.max_attempts, r.queue, r.limit_keys, r.priority, r.input,
  r.original_input, r.attempts -> -1 ->> 'input' AS input_fate`;

const FIND = `
  WITH run AS MATERIALIZED (
    SELECT ${COLUMNS} FROM task_runs_open r WHERE r.id = $1 AND r.namespace_id = $2
    UNION ALL
    SELECT ${COLUMNS} FROM task_runs r
    WHERE r.id = $1 AND r.namespace_id = $2 AND r.finished_at >= $3 AND r.finished_at < $4
  )
  SELECT CASE WHEN NOT ${IS_QUEUE_THERE("o")} THEN o.queue END AS "missingQueue", r.id, r.state, r.type, r.trigger, r.task_id AS "taskId", r.function_id AS "functionId", r.target, r.max_attempts AS "maxAttempts", r.queue,
    CASE WHEN r.queue IS NOT NULL THEN r.limit_keys END AS "limitKeys", r.priority, r.input,
    r.original_input AS "originalInput", r.input_fate AS "inputFate", t.state AS "taskState", f.id IS NOT NULL AS "hasFunction",
    v.id AS "revisionId", v.limits AS "revisionLimits", coalesce(l.limits, '{}') AS "leadingLimits"
  FROM run r LEFT JOIN tasks t ON t.id = r.task_id AND t.removed_at IS NULL
    CROSS JOIN LATERAL (SELECT r.namespace_id, CASE WHEN r.task_id IS NULL THEN r.queue ELSE t.queue END AS queue) AS o
    LEFT JOIN functions f ON f.id = r.function_id AND f.removed_at IS NULL
    LEFT JOIN function_revisions v ON v.id = r.revision_id
    LEFT JOIN function_revisions l ON l.id = f.active_revision_id`;

/** Undefined where the namespace has no such run. */
export async function findReplayable(
  scope: QueryScope,
  namespaceId: string,
  runId: string,
): Promise<ReplayFacts | undefined> {
  const { rows } = await scope.pool.query<ReplayFacts>({
    name: "find-replayable",
    text: FIND,
    values: [runId, namespaceId, ...endedWithin(runId)],
  });
  return rows[0];
}

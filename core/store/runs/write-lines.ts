import { lineInRowTime } from "./row-time.ts";

/** Writes the lines of the attempts that `source` holds: a run's columns, its attempt's number, and its `lines`. */
export const writeLines = (
  source: string,
  { attempt = "s.attempt", revisionId = "s.revision_id" }: { attempt?: string; revisionId?: string } = {},
) => `
  logged AS (
    INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message, fields)
    SELECT ${lineInRowTime("s.started_at", "l.since_ms")}, s.namespace_id, s.id, ${attempt}, s.function_id,
      ${revisionId}, l.level, l.message, l.fields
    FROM ${source} s CROSS JOIN LATERAL ROWS FROM (
      json_to_recordset(s.lines) AS (since_ms float8, level text, message text, fields jsonb)
    ) WITH ORDINALITY AS l(since_ms, level, message, fields, line_no)
    -- Those of a run are numbered in this order, whatever else a plan makes of it.
    ORDER BY l.line_no
  )`;

import { lineInRowTime } from "./row-time.ts";

interface LinesOf {
  /** Of rows `s`: SQL. */
  attempt?: string;
  revisionId?: string;
}

/** `from`: rows `s`, a run's columns and its attempt's number, each joined with its lines `l`. */
const writeLines = (from: string, { attempt = "s.attempt", revisionId = "s.revision_id" }: LinesOf = {}) => `
  logged AS (
    INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, revision_id, level, message, fields)
    SELECT ${lineInRowTime("s.started_at", "l.since_ms")}, s.namespace_id, s.id, ${attempt}, s.function_id,
      ${revisionId}, l.level, l.message, l.fields
    FROM ${from}
    -- Those of a run are numbered in this order, whatever else a plan makes of it.
    ORDER BY l.line_no
  )`;

/** Writes the lines of the verdicts (`VERDICTS`) of which `source` has the `verdict_no`. */
export const writeLinesOfVerdicts = (source: string, of?: LinesOf): string =>
  writeLines(`${source} s JOIN lines l USING (verdict_no)`, of);

/** Writes the lines that each row of `source` has itself, as JSON: its `lines`. */
export const writeOwnLines = (source: string): string =>
  writeLines(`${source} s CROSS JOIN LATERAL ROWS FROM (
      json_to_recordset(s.lines) AS (since_ms float8, level text, message text, fields jsonb)
    ) WITH ORDINALITY AS l(since_ms, level, message, fields, line_no)`);

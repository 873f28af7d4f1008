/** running → deferred: the attempt continues elsewhere, and its worker is done with it. */
import type { RecordingStatement } from "./end-answer.ts";
import { ANSWERED, FENCED } from "./finish-statements.ts";
import { VERDICTS } from "./verdicts.ts";
import { writeLinesOfVerdicts } from "./write-lines.ts";

/** Of runs that nobody has asked to stop: those end as cancelled instead. */
export const DEFER: RecordingStatement = {
  name: "defer-runs",
  text: `
  WITH ${VERDICTS},
  kept AS (
    UPDATE task_runs_open r SET state = 'deferred', complete_by = v.available_at
    FROM verdicts v WHERE ${FENCED} AND r.cancel_requested_at IS NULL
    RETURNING r.id, v.claim_no, r.awaited, r.permits, r.started_at, r.namespace_id, r.function_id, r.revision_id,
      v.record, v.verdict_no
  ), ${writeLinesOfVerdicts("kept", { attempt: "(s.record ->> 'attempt')::int" })}
  SELECT ${ANSWERED} FROM kept`,
  answers: "each",
};

/** queued → expired: runs that nobody has claimed within their task's ttl. */
import { expired } from "../../domain/run-time-limits.ts";
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { GRANTED } from "../limits/permits.ts";
import { inTransaction } from "../transaction.ts";
import { type EndedRun, endTaken } from "./end.ts";

const IS_WAITING = "r.state = 'queued' AND r.claim_no = 0";
const isOver = (ttlMs: string) =>
  `coalesce(r.redriven_at, r.scheduled_for) + ${ttlMs} * interval '1 millisecond' <= statement_timestamp()`;

/**
 * Of up to $2 open runs beyond $1, those that are over. Few tasks have a ttl, and no statement that makes or claims runs
 * pays for them: so it is a walk through what is open, in bounded steps. Only what seems to be over is looked up again, to
 * be locked.
 */
const FIND = `
  WITH looked AS MATERIALIZED (
    SELECT id, task_id, state, claim_no, redriven_at, scheduled_for FROM task_runs_open WHERE id > $1 ORDER BY id LIMIT $2
  ), late AS MATERIALIZED (
    SELECT r.id, (t.policy ->> 'ttlMs')::float8 AS ttl_ms
    FROM looked r JOIN tasks t ON ${byIndex("t.id", "r.task_id")}
    WHERE ${IS_WAITING} AND t.policy ? 'ttlMs' AND ${isOver("(t.policy ->> 'ttlMs')::float8")}
  ), over AS MATERIALIZED (
    SELECT r.id, l.ttl_ms FROM late l JOIN task_runs_open r ON ${byIndex("r.id", "l.id")}
    WHERE ${IS_WAITING} AND ${isOver("l.ttl_ms")}
    FOR UPDATE OF r SKIP LOCKED
  )
  SELECT (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*)::int FROM looked) AS looked,
    (SELECT coalesce(json_agg(json_build_object('id', id, 'ttlMs', ttl_ms)), '[]') FROM over) AS over`;

interface FoundRow {
  last: string | null;
  looked: number;
  over: { id: string; ttlMs: number }[];
}

const EXPIRED = endTaken("expiry", { state: "'expired'", error: "g.end_error" }, GRANTED);

const END = `
  WITH gone AS (
    DELETE FROM task_runs_open r USING json_to_recordset($1::json) AS v(id uuid, error jsonb)
    WHERE r.id = v.id AND r.state = 'queued'
    RETURNING r.*, v.error AS end_error
  ), ${EXPIRED.move} SELECT ${EXPIRED.columns} FROM gone g`;

export interface ExpiredRuns {
  ended: EndedRun[];
  /** Where to go on; undefined: that was all. */
  lastId: string | undefined;
}

const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** Looks at up to `limit` open runs beyond `afterId`, and ends those that are over. */
export async function expireRuns(store: Store, limit: number, afterId = FIRST_ID): Promise<ExpiredRuns> {
  return await inTransaction(store.pool, async ({ pool }) => {
    const { rows } = await pool.query<FoundRow>(FIND, [afterId, limit]);
    const { last, looked, over } = rows[0]!;
    const lastId = looked < limit ? undefined : (last ?? undefined);
    if (over.length === 0) return { ended: [], lastId };
    const errors = over.map(({ id, ttlMs }) => ({ id, error: expired(ttlMs) }));
    const { rows: ended } = await pool.query<EndedRun>(END, [toJsonText(errors)]);
    return { ended, lastId };
  });
}

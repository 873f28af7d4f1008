/**
 * Groups of errors. A group is open; resolved → open, when a run fails so after it was resolved; ignored stays ignored.
 * A namespace has a bounded number of them: beyond it those go that were seen last the longest ago, ignored ones last.
 */
import { type ErrorKind, type ErrorState, GROUP_HOURS } from "../../domain/error-groups.ts";
import type { QueryScope } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import type { Transaction } from "../transaction.ts";

/** Of a namespace. */
export const MAX_GROUPS = 1_000;
/** Kept of a group: its newest runs, and the functions and tasks whose runs failed so last. */
export const MAX_SAMPLES = 5;
export const MAX_ORIGINS = 50;

export interface ErrorGroup {
  fingerprint: string;
  code: string;
  message: string;
  count: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  sampleRunIds: string[];
  state: ErrorState;
  /** Hours since 1970 → runs that failed so. */
  hours: Record<string, number>;
}

/** Failures of one kind in one namespace; the lists begin with the newest. */
export interface SeenKind extends ErrorKind {
  namespaceId: string;
  count: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  hours: Record<string, number>;
  runIds: string[];
  functionIds: string[];
  taskIds: string[];
}

/** SQL: the ids `more`, which are the newer ones, before those of `kept`; each once. */
const mergeIds = (more: string, kept: string, limit: number) => `ARRAY(
  SELECT id FROM unnest(${more} || ${kept}) WITH ORDINALITY AS ids(id, turn) GROUP BY id ORDER BY min(turn) LIMIT ${limit})`;

/** SQL: the counts of both, those of the newest hours. */
const mergeHours = (a: string, b: string) => `(SELECT jsonb_object_agg(hour, runs) FROM (
  SELECT h.key AS hour, sum(h.value::int) AS runs FROM (
    SELECT * FROM jsonb_each_text(${a}) UNION ALL SELECT * FROM jsonb_each_text(${b})) AS h
  GROUP BY 1 ORDER BY h.key::int DESC LIMIT ${GROUP_HOURS}) AS newest)`;

const ADD = `
  INSERT INTO error_groups AS g (namespace_id, fingerprint, code, message, count, first_seen_at, last_seen_at,
    hours, sample_run_ids, function_ids, task_ids)
  SELECT s."namespaceId", s.fingerprint, s.code, s.message, s.count, s."firstSeenAt", s."lastSeenAt",
    s.hours, s."runIds"[1:${MAX_SAMPLES}], s."functionIds"[1:${MAX_ORIGINS}], s."taskIds"[1:${MAX_ORIGINS}]
  FROM json_to_recordset($1::json) AS s("namespaceId" uuid, fingerprint text, code text, message text, count bigint,
    "firstSeenAt" timestamptz, "lastSeenAt" timestamptz, hours jsonb, "runIds" uuid[], "functionIds" uuid[], "taskIds" uuid[])
  ON CONFLICT (namespace_id, fingerprint) DO UPDATE SET
    message = excluded.message, count = g.count + excluded.count,
    first_seen_at = least(g.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(g.last_seen_at, excluded.last_seen_at),
    hours = ${mergeHours("g.hours", "excluded.hours")},
    sample_run_ids = ${mergeIds("excluded.sample_run_ids", "g.sample_run_ids", MAX_SAMPLES)},
    function_ids = ${mergeIds("excluded.function_ids", "g.function_ids", MAX_ORIGINS)},
    task_ids = ${mergeIds("excluded.task_ids", "g.task_ids", MAX_ORIGINS)},
    state = CASE WHEN g.state = 'resolved' AND excluded.last_seen_at > g.resolved_at THEN 'open' ELSE g.state END`;

export async function addToGroups({ pool }: Transaction, kinds: SeenKind[]): Promise<void> {
  if (kinds.length > 0) await pool.query(ADD, [toJsonText(kinds)]);
}

const REMOVE_BEYOND = `
  DELETE FROM error_groups g USING unnest($1::uuid[]) AS n(id) WHERE g.namespace_id = n.id AND g.fingerprint = ANY (ARRAY(
    SELECT o.fingerprint FROM error_groups o WHERE o.namespace_id = n.id
    ORDER BY o.state = 'ignored' DESC, o.last_seen_at DESC, o.fingerprint OFFSET ${MAX_GROUPS}))`;

export async function removeBeyondBound({ pool }: Transaction, namespaceIds: string[]): Promise<void> {
  if (namespaceIds.length > 0) await pool.query(REMOVE_BEYOND, [namespaceIds]);
}

const COLUMNS = `g.fingerprint, g.code, g.message, g.count::float8 AS count, g.first_seen_at AS "firstSeenAt",
  g.last_seen_at AS "lastSeenAt", g.sample_run_ids AS "sampleRunIds", g.state, g.hours`;

export interface ErrorFilter {
  states?: ErrorState[] | undefined;
  /** The function's name; also of one that was removed. */
  function?: string | undefined;
  taskId?: string | undefined;
}

/** Where a page ends: what was seen last longer ago comes after it. */
export interface ErrorPosition {
  seenAtUs: string;
  fingerprint: string;
}

const SEEN_AT_US = "(extract(epoch FROM g.last_seen_at) * 1000000)::bigint";

// A namespace has few: they are looked through.
const LIST = `
  SELECT ${COLUMNS}, ${SEEN_AT_US} AS "seenAtUs" FROM error_groups g
  WHERE g.namespace_id = $1 AND ($2::text[] IS NULL OR g.state = ANY($2))
    AND ($3::text IS NULL OR g.function_ids && ARRAY(SELECT id FROM functions WHERE namespace_id = $1 AND name = $3))
    AND ($4::uuid IS NULL OR $4 = ANY(g.task_ids))
    AND ($5::bigint IS NULL OR (${SEEN_AT_US}, g.fingerprint) < ($5, $6::text))
  ORDER BY "seenAtUs" DESC, g.fingerprint DESC LIMIT $7`;

/** Those that were seen last, first; one more than `limit`, so that the caller knows whether there is a next page. */
export async function listErrorGroups(
  { pool }: QueryScope,
  namespaceId: string,
  filter: ErrorFilter,
  limit: number,
  after?: ErrorPosition,
): Promise<(ErrorGroup & ErrorPosition)[]> {
  const { states = null, function: name = null, taskId = null } = filter;
  const values = [namespaceId, states, name, taskId, after?.seenAtUs, after?.fingerprint, limit + 1];
  return (await pool.query<ErrorGroup & ErrorPosition>(LIST, values)).rows;
}

/** Undefined where there is none of that fingerprint. */
export async function setErrorState(
  { pool }: QueryScope,
  namespaceId: string,
  fingerprint: string,
  state: Exclude<ErrorState, "open">,
): Promise<ErrorGroup | undefined> {
  const { rows } = await pool.query<ErrorGroup>(
    `UPDATE error_groups g SET state = $3, resolved_at = CASE WHEN $3 = 'resolved' THEN clock_timestamp() END
     WHERE g.namespace_id = $1 AND g.fingerprint = $2 RETURNING ${COLUMNS}`,
    [namespaceId, fingerprint, state],
  );
  return rows[0];
}

/** Removes up to `limit` that were seen last before that instant, but for ignored ones; how many. */
export async function removeExpiredGroups(
  { pool }: QueryScope,
  before: Date,
  limit: number,
): Promise<number> {
  const { rowCount } = await pool.query(
    `DELETE FROM error_groups WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM error_groups WHERE last_seen_at < $1 AND state <> 'ignored' LIMIT $2))`,
    [before, limit],
  );
  return rowCount ?? 0;
}

/**
 * What may quote erased tasks where no index finds them by task: each place is looked through page by page for the ids of the
 * tasks that an erasure has erased. Whoever writes there holds the task, or something of it, in the same transaction, so that
 * nothing is written after the place was looked through.
 */
import { MAX_GROUP_MESSAGE_CHARS } from "../../domain/error-groups.ts";
import { cancelRuns, discardDeadLetters } from "../runs/cancel.ts";
import type { EndedRun } from "../runs/end.ts";
import type { Transaction } from "../transaction.ts";
import { type ErasedCounts, type ErasedScope, eraseEndedRuns } from "./task-data.ts";

/**
 * The places, in the order in which they are looked through. Deliveries twice: one may have been replayed after the first look
 * at those that are open, and before it was erased itself.
 */
export const QUOTING = [
  ...(["openDeliveries", "deliveries", "openReplays", "replays"] as const),
  ...(["events", "answers", "errors"] as const),
] as const;
export type Quoting = (typeof QUOTING)[number];

export interface LookedThrough {
  erased: ErasedCounts;
  /** How far; null: to the end. */
  reached: string | null;
  /** Something there is under way, and is waited for. */
  waits?: boolean;
  ended?: EndedRun[];
  asked?: string[];
}

type LookThrough = (tx: Transaction, scope: ErasedScope, after: string | null) => Promise<LookedThrough>;

const MOST_EVENTS = 2_000;
/** Runs of whatever kind that are looked at for deliveries. */
const MOST_LOOKED_AT = 2_000;
const MOST_ANSWERS = 200;
/** Answers that are read together: one may have as much by itself. */
const MOST_ANSWER_BYTES = 4_000_000;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";
const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

const IS_ERASED = (taskId: string, bulkId: `$${number}`) =>
  `EXISTS (SELECT FROM erased_tasks e WHERE e.bulk_id = ${bulkId} AND e.task_id = ${taskId})`;

/** The task that a callback `r` tells of, as callback-message.ts words it: JSON for functions, in a body, or a line of an e-mail. */
const TOLD_TASK = `coalesce(r.input #>> '{data,taskId}', r.input #>> '{body,data,taskId}',
  substring(r.input ->> 'body' FROM '\\nTask: (${UUID})\\n'))`;
const IS_UUID = (text: string) => `CASE WHEN ${text} ~ '^${UUID}$' THEN (${text})::uuid END`;
const TELLS_OF_ERASED = IS_ERASED(IS_UUID(TOLD_TASK), "$2");
/** Runs of tasks go with those. Of the others nothing is read but which they are. */
const findDeliveries = (table: string, which: string) => `
  WITH page AS MATERIALIZED (
    SELECT id, state, CASE WHEN trigger = 'callback' AND task_id IS NULL THEN input END AS input
    FROM ${table} WHERE namespace_id = $1 AND ${which} AND id > $3 ORDER BY id LIMIT $4)
  SELECT id, state, ${TELLS_OF_ERASED} AS "isOurs" FROM page r ORDER BY id`;

interface Delivery {
  id: string;
  state: string;
  isOurs: boolean;
}

const reachedOf = (rows: readonly { id: string }[]) =>
  rows.length < MOST_LOOKED_AT ? null : rows.at(-1)!.id;

/** Those that wait end here; those that run are asked to stop, and are waited for. */
const endDeliveries: LookThrough = async (tx, { namespaceId, bulkId }, after) => {
  const values = [namespaceId, bulkId, after ?? FIRST_ID, MOST_LOOKED_AT];
  const { rows } = await tx.pool.query<Delivery>(findDeliveries("task_runs_open", "true"), values);
  const ours = rows.filter(({ isOurs }) => isOurs);
  const idsOf = (isChosen: (state: string) => boolean) =>
    ours.flatMap(({ id, state }) => (isChosen(state) ? [id] : []));
  const dead = idsOf((state) => state === "dead");
  const discarded = dead.length > 0 ? await discardDeadLetters(tx, namespaceId, dead) : [];
  const cancelled = await cancelRuns(tx, namespaceId, { runIds: idsOf((state) => state !== "dead") });
  const told = { erased: {}, ended: [...discarded, ...cancelled.ended], asked: cancelled.asked };
  if (cancelled.asked.length > 0) return { ...told, reached: after, waits: true };
  return { ...told, reached: reachedOf(rows) };
};

const eraseDeliveries: LookThrough = async (tx, scope, after) => {
  const values = [scope.namespaceId, scope.bulkId, after ?? FIRST_ID, MOST_LOOKED_AT];
  const text = findDeliveries("task_runs", "finished_at < 'infinity'");
  const { rows } = await tx.pool.query<Delivery>(text, values);
  const ours = rows.flatMap(({ id, isOurs }) => (isOurs ? [id] : []));
  return {
    erased: await eraseEndedRuns(tx, scope, ours, "deliveries"),
    reached: reachedOf(rows),
  };
};

const ERASE_EVENTS = `
  WITH page AS MATERIALIZED (
    SELECT id, recorded_xid, task_id FROM events
    WHERE namespace_id = $1 AND (recorded_xid, id) > ($3::bigint, $4::bigint) ORDER BY recorded_xid, id LIMIT $5
  ), gone AS (
    DELETE FROM events WHERE id = ANY(ARRAY(SELECT p.id FROM page p WHERE ${IS_ERASED("p.task_id", "$2")})) RETURNING 1)
  SELECT (SELECT count(*)::int FROM gone) AS count, (SELECT count(*)::int FROM page) AS looked,
    (SELECT recorded_xid || ',' || id FROM page ORDER BY recorded_xid DESC, id DESC LIMIT 1) AS reached`;

/** Of tasks, and of their runs' instants that no row of a run tells. */
const eraseEvents: LookThrough = async ({ pool }, { namespaceId, bulkId }, after) => {
  const [xid, id] = (after ?? "0,0").split(",");
  const values = [namespaceId, bulkId, xid, id, MOST_EVENTS];
  const { rows } = await pool.query<{ count: number; looked: number; reached: string | null }>(
    ERASE_EVENTS,
    values,
  );
  const { count, looked, reached } = rows[0]!;
  return { erased: { events: count }, reached: looked < MOST_EVENTS ? null : reached };
};

/** The keys stay for their day: a request that is sent again makes nothing again. Sealed answers are their callers' alone. */
const ERASE_ANSWERS = `
  WITH page AS MATERIALIZED (
    SELECT operation, key, coalesce(octet_length(answer), 0) AS bytes FROM idempotency_keys
    WHERE namespace_id = $1 AND (operation, key) > ($3, $4) ORDER BY operation, key LIMIT $5
  ), fitting AS MATERIALIZED (
    SELECT * FROM (SELECT *, sum(bytes) OVER (ORDER BY operation, key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
      FROM page) p WHERE coalesce(before, 0) < ${MOST_ANSWER_BYTES}
  ), quoting AS MATERIALIZED (
    SELECT k.operation, k.key FROM fitting f JOIN idempotency_keys k
      ON k.namespace_id = $1 AND k.operation = f.operation AND k.key = f.key
    WHERE k.answer IS NOT NULL AND k.is_answer_sealed IS NOT TRUE AND EXISTS (
      SELECT FROM regexp_matches(convert_from(k.answer, 'UTF8'), '${UUID}', 'g') AS m(found)
      WHERE ${IS_ERASED("m.found[1]::uuid", "$2")})
  ), emptied AS (
    UPDATE idempotency_keys k SET answer = NULL, is_answer_sealed = NULL FROM quoting q
    WHERE k.namespace_id = $1 AND k.operation = q.operation AND k.key = q.key RETURNING 1)
  SELECT (SELECT count(*)::int FROM emptied) AS count,
    (SELECT count(*) FROM page) = $5 OR (SELECT count(*) FROM fitting) < (SELECT count(*) FROM page) AS "hasMore",
    (SELECT json_build_array(operation, key)::text FROM fitting ORDER BY operation DESC, key DESC LIMIT 1) AS reached`;

const eraseAnswers: LookThrough = async ({ pool }, { namespaceId, bulkId }, after) => {
  const [operation, key] = after === null ? ["", ""] : (JSON.parse(after) as [string, string]);
  const values = [namespaceId, bulkId, operation, key, MOST_ANSWERS];
  const { rows } = await pool.query<{ count: number; hasMore: boolean; reached: string | null }>(
    ERASE_ANSWERS,
    values,
  );
  const { count, hasMore, reached } = rows[0]!;
  return { erased: { answers: count }, reached: hasMore ? reached : null };
};

/**
 * A group keeps the others it is of, and the words of the newest of them; one of which no other is left goes. Who counts
 * failures is waited for: what he has read is gone by now.
 */
const HOLD_COUNTING = "SELECT FROM error_folds FOR UPDATE";
const ERASE_ERRORS = `
  WITH touched AS MATERIALIZED (
    SELECT g.fingerprint,
      ARRAY(SELECT t.id FROM unnest(g.task_ids) WITH ORDINALITY AS t(id, nth)
        WHERE NOT ${IS_ERASED("t.id", "$2")} ORDER BY t.nth) AS task_ids,
      ARRAY(SELECT s.id FROM unnest(g.sample_run_ids) WITH ORDINALITY AS s(id, nth)
        WHERE EXISTS (SELECT FROM task_runs r WHERE r.id = s.id) ORDER BY s.nth) AS sample_run_ids
    FROM error_groups g WHERE g.namespace_id = $1
      AND EXISTS (SELECT FROM unnest(g.task_ids) AS t(id) WHERE ${IS_ERASED("t.id", "$2")})
  ), gone AS (
    DELETE FROM error_groups g USING touched t WHERE g.namespace_id = $1 AND g.fingerprint = t.fingerprint
      AND t.task_ids = '{}' AND t.sample_run_ids = '{}' RETURNING 1
  ), changed AS (
    UPDATE error_groups g SET task_ids = t.task_ids, sample_run_ids = t.sample_run_ids,
      message = coalesce((SELECT left(r.error ->> 'message', ${MAX_GROUP_MESSAGE_CHARS}) FROM task_runs r
        WHERE r.id = t.sample_run_ids[1] AND r.error ->> 'code' = g.code LIMIT 1), '[erased]')
    FROM touched t WHERE g.namespace_id = $1 AND g.fingerprint = t.fingerprint
      AND NOT (t.task_ids = '{}' AND t.sample_run_ids = '{}')
  ) SELECT count(*)::int AS count FROM gone`;

const eraseErrors: LookThrough = async ({ pool }, { namespaceId, bulkId }) => {
  await pool.query(HOLD_COUNTING);
  const { rows } = await pool.query<{ count: number }>(ERASE_ERRORS, [namespaceId, bulkId]);
  return { erased: { errorGroups: rows[0]!.count }, reached: null };
};

const LOOKS: Record<Quoting, LookThrough> = {
  ...{ openDeliveries: endDeliveries, openReplays: endDeliveries },
  ...{ deliveries: eraseDeliveries, replays: eraseDeliveries },
  events: eraseEvents,
  answers: eraseAnswers,
  errors: eraseErrors,
};

/** A page of a place, after where the last one ended. */
export const lookThrough = (place: Quoting, ...given: Parameters<LookThrough>): Promise<LookedThrough> =>
  LOOKS[place](...given);

/** Tables that rows, or words, are taken from here. */
export const ERASED_BY_QUOTE: readonly string[] = ["events", "idempotency_keys", "error_groups"];

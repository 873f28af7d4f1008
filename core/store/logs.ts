/**
 * Reading log lines. Their order is the order of recording, (recorded_xid, id): lines below the oldest transaction
 * still under way are complete, so a follower that stays below it neither misses nor repeats one.
 */
import { type RawBuilder, sql } from "kysely";
import type { LogLine } from "../contracts/run.ts";
import { LOG_LEVELS, type LogLevel } from "../domain/log-level.ts";
import type { Db } from "./database.ts";
import { earliestTraceOf } from "./ids.ts";

const COLUMNS = sql`at, level, message, fields, run_id AS "runId", revision_id AS "revisionId", attempt,
  recorded_xid || ':' || id AS position`;

const SEARCHED = sql`message || ' ' || coalesce(fields::text, '')`;

/** Which lines of a function's log are wanted; all of what is given must hold. */
export interface LogFilter {
  /** This one and above. */
  level?: LogLevel | undefined;
  since?: Date | undefined;
  /** Exclusive. */
  until?: Date | undefined;
  /** Part of the message or of the fields, whatever the case of its letters. */
  text?: string | undefined;
  revisionId?: string | undefined;
  runId?: string | undefined;
}

function conditionsOf({ level, since, until, text, revisionId, runId }: LogFilter): RawBuilder<unknown> {
  const levels = level && LOG_LEVELS.slice(LOG_LEVELS.indexOf(level));
  const all = [
    ...(levels ? [sql`AND level = ANY(${levels})`] : []),
    ...(since ? [sql`AND at >= ${since}`] : []),
    ...(until ? [sql`AND at < ${until}`] : []),
    ...(text ? [sql`AND position(lower(${text}::text) IN lower(${SEARCHED})) > 0`] : []),
    ...(revisionId ? [sql`AND revision_id = ${revisionId}`] : []),
    // By the index of the run's lines, in the days that the run can have lines in.
    ...(runId ? [sql`AND run_id = ${runId} AND at >= ${earliestTraceOf(runId)}`] : []),
  ];
  return sql.join(all, sql` `);
}

/** A run's lines, oldest first, after the position `after`. One more than `limit`. */
export async function listRunLogs(
  db: Db,
  runId: string,
  limit: number,
  after: string | undefined,
  filter: Pick<LogFilter, "level" | "text"> = {},
): Promise<LogLine[]> {
  const { rows } = await sql<LogLine>`
    SELECT ${COLUMNS} FROM task_logs
    WHERE run_id = ${runId} AND at >= ${earliestTraceOf(runId)} AND at < clock_timestamp() + interval '1 day'
      AND id > ${after === undefined ? "0" : idOf(after)} ${conditionsOf(filter)}
    ORDER BY id LIMIT ${limit + 1}`.execute(db);
  return rows;
}

/** A function's lines, newest first, before `before`. One more than `limit`. */
export async function listFunctionLogs(
  db: Db,
  functionId: string,
  limit: number,
  before: string | undefined,
  filter: LogFilter = {},
): Promise<LogLine[]> {
  const { rows } = await sql<LogLine>`
    SELECT ${COLUMNS} FROM task_logs
    WHERE function_id = ${functionId} ${before === undefined ? sql`` : sql`AND ${pair()} < ${pair(before)}`}
      ${conditionsOf(filter)}
    ORDER BY recorded_xid DESC, id DESC LIMIT ${limit + 1}`.execute(db);
  return rows;
}

/** A function's complete lines after `after`, in the order they were recorded. */
export async function readFunctionLogsAfter(
  db: Db,
  functionId: string,
  after: LogPosition,
  limit: number,
  filter: LogFilter = {},
): Promise<LogLine[]> {
  const { rows } = await sql<LogLine>`
    SELECT ${COLUMNS} FROM task_logs
    WHERE function_id = ${functionId} AND ${pair()} > ${pair(after.position)}
      ${after.snapshot === undefined ? sql`` : sql`AND NOT pg_visible_in_snapshot(recorded_xid, ${after.snapshot}::pg_snapshot)`}
      AND recorded_xid < pg_snapshot_xmin(pg_current_snapshot())
      ${conditionsOf(filter)}
    ORDER BY recorded_xid, id LIMIT ${limit}`.execute(db);
  return rows;
}

/** A line as a reader for many followers has it. */
export interface FollowedLine extends LogLine {
  /** What a filter by text looks through, in small letters as the database makes them; null unless asked for. */
  searched: string | null;
}

/** A function's log as far as it was read. */
export interface FollowedLog {
  functionId: string;
  position: string;
  withSearched: boolean;
}

/** The complete lines of several functions, of each at most `limit` after its position, in the order of recording. */
export async function readFollowedLogs(
  db: Db,
  logs: readonly FollowedLog[],
  limit: number,
): Promise<FollowedLine[][]> {
  const parts = logs.map(({ position }) => position.split(":"));
  const { rows } = await sql<FollowedLine & { log: number }>`
    SELECT asked.log::int AS log, line.* FROM unnest(
      ${logs.map(({ functionId }) => functionId)}::uuid[], ${parts.map(([xid]) => xid)}::xid8[],
      ${parts.map(([, id]) => id)}::bigint[], ${logs.map(({ withSearched }) => withSearched)}::boolean[]
    ) WITH ORDINALITY AS asked(function_id, xid, id, with_searched, log)
    CROSS JOIN LATERAL (
      SELECT ${COLUMNS}, recorded_xid, l.id, CASE WHEN asked.with_searched THEN lower(${SEARCHED}) END AS searched FROM task_logs l
      WHERE l.function_id = asked.function_id AND (l.recorded_xid, l.id) > (asked.xid, asked.id)
        AND l.recorded_xid < pg_snapshot_xmin(pg_current_snapshot())
      ORDER BY l.recorded_xid, l.id LIMIT ${limit}
    ) line
    ORDER BY log, line.recorded_xid, line.id`.execute(db);
  return logs.map((_, index) => rows.filter(({ log }) => log === index + 1));
}

/** In small letters as the database makes them. */
export async function lowerText(db: Db, text: string): Promise<string> {
  const { rows } = await sql<{ lower: string }>`SELECT lower(${text}::text) AS lower`.execute(db);
  return rows[0]!.lower;
}

export interface LogPosition {
  position: string;
  /** Lines that it shows are none of those after the position: while an old transaction runs, some lie there. */
  snapshot?: string;
}

/** Where "from now on" begins. */
export async function currentLogPosition(db: Db): Promise<Required<LogPosition>> {
  const { rows } = await sql<{ xid: string; snapshot: string }>`
    SELECT pg_snapshot_xmin(s)::text AS xid, s::text AS snapshot FROM pg_current_snapshot() AS s`.execute(db);
  const { xid, snapshot } = rows[0]!;
  return { position: `${xid}:0`, snapshot };
}

/** Before every line. */
export const FIRST_LOG_POSITION = "0:0";

const POSITION = /^\d{1,20}:\d{1,19}$/;
const MAX_XID = 2n ** 64n - 1n;
const MAX_ID = 2n ** 63n - 1n;

export function isLogPosition(text: string): boolean {
  if (!POSITION.test(text)) return false;
  const [xid, id] = text.split(":");
  return BigInt(xid!) <= MAX_XID && BigInt(id!) <= MAX_ID;
}

const idOf = (position: string): string => position.split(":")[1]!;

function pair(position?: string): RawBuilder<unknown> {
  if (position === undefined) return sql`(recorded_xid, id)`;
  const [xid, id] = position.split(":");
  return sql`(${xid}::xid8, ${id}::bigint)`;
}

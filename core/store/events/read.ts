/**
 * Reading a namespace's events: in the order of the transactions that brought them about (xid.ts), each once, up to the
 * oldest one that is still under way. So a reader who goes on after the last event that he saw misses none.
 *
 * What becomes of runs stands in their own rows: each row is looked at for the events that fall into a window of
 * transactions. The window is made small enough that few runs have ended in it. A run's earlier events lie as far before
 * its end as it took; for most that is not far, so they are found among the ends of the window and a little beyond it,
 * and for those that took long by indexes of their own. Open runs are looked at one by one: whoever reads pays, and no
 * change of a run. Entries of the audit log have a row of their own, and are read with the others.
 */

import type { Clock } from "../../clock.ts";
import type { EventFacts } from "../../contracts/event.ts";
import { beforeXid, type EventPosition, RANKS } from "../../domain/event-position.ts";
import { EVENT_AUDIENCES, type EventAudience, type EventType } from "../../domain/events.ts";
import type { JsonObject } from "../../json.ts";
import type { QueryScope } from "../database.ts";
import { earliestTraceOf, madeAtOf } from "../ids.ts";
import { COMPLETE_BELOW, NEXT_XID } from "../xid.ts";
import { shownError } from "./record.ts";

export interface StoredEvent extends Omit<EventFacts, "id"> {
  position: EventPosition;
  /** Who is shown it. */
  audience: EventAudience;
}

export interface EventFilter {
  runId?: string | undefined;
  /** Of one run or task there are no entries of the audit log. */
  taskId?: string | undefined;
  /** Who reads; left out: everybody. */
  audience?: EventAudience | undefined;
}

export interface FoundEvents {
  events: StoredEvent[];
  /** All up to here is in `events`. */
  end: EventPosition;
  /** There may be more that is complete. */
  hasMore: boolean;
}

/** As the indexes of migration 0027 have it: how many transactions a run that took long took at least. */
export const LONG_XIDS = 1_024;
/** Ended runs in a window at least, where it is looked through for what a filter lets through. */
const FILTERED_ENDS = 2_000;
/** Windows that one read looks through. */
const MAX_WINDOWS = 5;
const SETTLE_LOOK_MS = 10;
const DAY_MS = 86_400_000;
const CLOCK_SLACK_MS = 3_600_000;

const COMPLETE = `${COMPLETE_BELOW} AS complete, extract(epoch FROM statement_timestamp())::bigint AS second`;

const NOW = { name: "complete-events", text: `SELECT ${COMPLETE}` };

/** The transaction of the first end in the namespace $1 that $5 others precede, from the transaction $2 on. */
const BOUND = {
  name: "bound-events",
  text: `
  SELECT ${COMPLETE}, (
    SELECT recorded_xid FROM task_runs
    WHERE namespace_id = $1 AND recorded_xid >= $2 AND finished_at >= $3 AND finished_at < $4
    ORDER BY recorded_xid OFFSET $5 LIMIT 1) AS xid`,
};

interface BoundRow {
  complete: string;
  second: string;
  xid?: string | null;
}

/** Transactions, up to one that it does not reach. */
interface Window {
  namespaceId: string;
  from: EventPosition;
  below: bigint;
  filter: EventFilter;
}

/** Up to `limit` events after a position, as far as they are complete. */
export async function readEvents(
  scope: QueryScope,
  namespaceId: string,
  after: EventPosition,
  limit: number,
  filter: EventFilter = {},
): Promise<FoundEvents> {
  const events: StoredEvent[] = [];
  let end = after;
  for (let left = MAX_WINDOWS; left > 0; left -= 1) {
    const part = { namespaceId, from: end, filter };
    const { complete, below, second } = await findWindow(scope, part, limit);
    if (end.xid >= complete) return { events, end, hasMore: false };
    const found = await readWindow(scope, { ...part, below }, limit - events.length + 1);
    events.push(...found);
    if (events.length > limit) {
      const shown = events.slice(0, limit);
      return { events: shown, end: shown.at(-1)!.position, hasMore: true };
    }
    end = beforeXid(below, second);
    if (below >= complete) return { events, end, hasMore: false };
  }
  return { events, end, hasMore: true };
}

const SETTLED = {
  name: "settled-events",
  text: `SELECT ${COMPLETE_BELOW} >= $1 AS settled`,
};

/**
 * Resolves once whatever was committed before is complete: what was under way beside it has ended. At the latest after
 * `patienceMs`: somebody may be under way for long.
 */
export async function settleEvents({ pool }: QueryScope, clock: Clock, patienceMs: number): Promise<void> {
  const { rows } = await pool.query<{ next: string }>(`SELECT ${NEXT_XID} AS next`);
  for (const untilMs = clock.steadyMs() + patienceMs; ; await clock.sleep(SETTLE_LOOK_MS)) {
    const { rows: found } = await pool.query<{ settled: boolean }>({ ...SETTLED, values: [rows[0]!.next] });
    if (found[0]!.settled || clock.steadyMs() >= untilMs) return;
  }
}

/** Where "from now on" begins. */
export async function currentEventPosition({ pool }: QueryScope): Promise<EventPosition> {
  const { rows } = await pool.query<BoundRow>(NOW);
  return beforeXid(BigInt(rows[0]!.complete), Number(rows[0]!.second));
}

/** From the position to where enough runs have ended, or to the end of what is complete; one run is looked at as a whole. */
async function findWindow(
  { pool }: QueryScope,
  { namespaceId, from, filter }: Omit<Window, "below">,
  limit: number,
): Promise<{ complete: bigint; below: bigint; second: number }> {
  const ends = filter.taskId === undefined ? limit : FILTERED_ENDS;
  const bound = { ...BOUND, values: [namespaceId, from.xid, ...daysOf(from, filter), ends] };
  const { rows } = await pool.query<BoundRow>(filter.runId === undefined ? bound : NOW);
  const { second, xid } = rows[0]!;
  const complete = BigInt(rows[0]!.complete);
  const wanted = xid == null ? complete : laterOf(BigInt(xid), from.xid + 1n);
  return { complete, below: wanted < complete ? wanted : complete, second: Number(second) };
}

const laterOf = (a: bigint, b: bigint) => (a > b ? a : b);

/** The days in which runs can have ended that have events from there on. */
function daysOf({ second }: EventPosition, { runId }: EventFilter): [from: Date, before: Date] {
  const since = runId === undefined ? new Date(second * 1_000 - CLOCK_SLACK_MS) : earliestTraceOf(runId);
  return [since, new Date(Date.now() + DAY_MS)];
}

const ENDED = "r.finished_at >= $4 AND r.finished_at < $5";
const IS_LONG = `r.recorded_xid - r.queued_xid >= ${LONG_XIDS}`;
const IN_WINDOW = (xid: string) => `${xid} >= $2 AND ${xid} < $3`;

/** Where the runs are that have an event in the window; no run is in two of them. */
const PLACES = [
  `task_runs r WHERE ${ENDED} AND r.recorded_xid >= $2 AND r.recorded_xid < $3::bigint + ${LONG_XIDS}
    AND least(r.queued_xid, r.started_xid, r.recorded_xid) < $3`,
  `task_runs r WHERE ${ENDED} AND ${IN_WINDOW("r.queued_xid")} AND ${IS_LONG} AND r.recorded_xid >= $3::bigint + ${LONG_XIDS}`,
  `task_runs r WHERE ${ENDED} AND ${IN_WINDOW("r.started_xid")} AND ${IS_LONG} AND r.recorded_xid >= $3::bigint + ${LONG_XIDS}
    AND r.queued_xid < $2`,
  `task_runs_open r WHERE (r.queued_xid >= $2 OR r.started_xid >= $2)`,
];

const RUN_COLUMNS = `r.id, r.namespace_id, r.task_id, r.function_id, r.type, r.trigger, r.attempt, r.scheduled_for,
  r.replay_of, r.callback_of, r.state, r.error, r.finished_at,
  coalesce((r.attempts -> 0 ->> 'startedAt')::timestamptz, r.started_at) AS began_at,
  CASE WHEN r.queued_at IS NOT NULL THEN r.queued_xid END AS queued_xid, r.started_xid,
  CASE WHEN r.finished_at < 'infinity' THEN r.recorded_xid END AS ended_xid`;

/** Of a run `g` and its event `v`. */
const OF_RUN = `v.xid, v.rank, g.id AS key, g.namespace_id, g.task_id, g.id AS run_id, g.function_id,
  CASE v.rank WHEN ${RANKS.queued} THEN 'run.queued' WHEN ${RANKS.started} THEN 'run.started' ELSE 'run.' || g.state END AS type,
  CASE v.rank WHEN ${RANKS.started} THEN g.began_at WHEN ${RANKS.ended} THEN g.finished_at END AS at,
  jsonb_build_object('type', g.type, 'trigger', g.trigger, 'scheduledFor', g.scheduled_for, 'replayOf', g.replay_of,
    'callbackOf', g.callback_of, 'attempt', CASE v.rank WHEN ${RANKS.ended} THEN g.attempt ELSE 1 END,
    'error', CASE v.rank WHEN ${RANKS.ended} THEN ${shownError("g.error")} END) AS data, 0 AS audience`;

const OF_ROW = `e.recorded_xid, ${RANKS.kept}, lpad(to_hex(e.id), 32, '0')::uuid, e.namespace_id, e.task_id, e.run_id,
  e.function_id, e.type, e.at, e.data, 0 AS audience`;

const OF_ENTRY = `a.recorded_xid, ${RANKS.audited}, a.id, a.namespace_id, NULL::uuid, NULL::uuid, NULL::uuid, 'audit.' || a.action,
  NULL::timestamptz, jsonb_build_object('id', a.id, 'action', a.action, 'resource', a.resource, 'status', a.status,
    'actor', jsonb_build_object('kind', a.actor_kind, 'keyId', a.actor_key_id, 'name', a.actor_name, 'address', a.address),
    'before', a.before, 'after', a.after), CASE WHEN a.for_operators THEN 2 ELSE 1 END`;

/** @param reader SQL: the place of who reads in EVENT_AUDIENCES */
const ofAudit = (reader: string) => `
    UNION ALL
    SELECT ${OF_ENTRY} FROM audit_log a
    WHERE a.namespace_id = $1 AND ${IN_WINDOW("a.recorded_xid")} AND (NOT a.for_operators OR ${reader} = 2)
      AND (a.recorded_xid, ${RANKS.audited}, a.id) > ($2, $6, $7)`;

/** $1 namespace, $2 and $3 the window, $4 and $5 the days, $6 and $7 rank and key of the last event, $8 how many, $9 the filter's. */
const readText = (ofRun: string, ofRow: string, ofEntries = "") => `
  WITH found AS (${PLACES.map((place) => `SELECT ${RUN_COLUMNS} FROM ${place} AND r.namespace_id = $1 ${ofRun}`).join("\n  UNION ALL\n  ")})
  SELECT e.*, f.name AS function_name FROM (
    SELECT ${OF_RUN} FROM found g CROSS JOIN LATERAL (VALUES
      (g.queued_xid, ${RANKS.queued}), (g.started_xid, ${RANKS.started}), (g.ended_xid, ${RANKS.ended})) AS v(xid, rank)
    WHERE ${IN_WINDOW("v.xid")} AND (v.xid, v.rank, g.id) > ($2, $6, $7)
    UNION ALL
    SELECT ${OF_ROW} FROM events e
    WHERE e.namespace_id = $1 AND ${IN_WINDOW("e.recorded_xid")} ${ofRow}
      AND (e.recorded_xid, ${RANKS.kept}, lpad(to_hex(e.id), 32, '0')::uuid) > ($2, $6, $7)
    ${ofEntries}
    ORDER BY xid, rank, key LIMIT $8
  ) e LEFT JOIN functions f ON f.id = e.function_id ORDER BY xid, rank, key`;

const READ = { name: "read-events", text: readText("", "") };
const READ_WITH_AUDIT = { name: "read-events-with-audit", text: readText("", "", ofAudit("$9::int")) };
const READ_OF_TASK = {
  name: "read-events-of-task",
  text: readText("AND r.task_id = $9", "AND e.task_id = $9"),
};
const READ_OF_RUN = { name: "read-events-of-run", text: readText("AND r.id = $9", "AND e.run_id = $9") };
const READ_OF_TASK_AND_RUN = {
  name: "read-events-of-task-and-run",
  text: readText("AND r.id = $9 AND r.task_id = $10", "AND e.run_id = $9 AND e.task_id = $10"),
};

interface EventRow {
  xid: string;
  rank: number;
  key: string;
  namespace_id: string;
  task_id: string | null;
  run_id: string | null;
  function_name: string | null;
  type: EventType;
  at: Date | null;
  data: JsonObject;
  /** Its place in EVENT_AUDIENCES. */
  audience: number;
}

/** A statement, and what it takes besides. */
function chooseStatement({ runId, taskId, audience = "everybody" }: EventFilter) {
  const ids = [runId, taskId].filter((id) => id !== undefined);
  if (ids.length === 2) return { statement: READ_OF_TASK_AND_RUN, besides: ids };
  if (ids.length === 1) return { statement: runId === undefined ? READ_OF_TASK : READ_OF_RUN, besides: ids };
  if (audience === "everybody") return { statement: READ, besides: [] };
  return { statement: READ_WITH_AUDIT, besides: [EVENT_AUDIENCES.indexOf(audience)] };
}

async function readWindow({ pool }: QueryScope, window: Window, limit: number): Promise<StoredEvent[]> {
  const { namespaceId, from, below, filter } = window;
  const { statement, besides } = chooseStatement(filter);
  const values = [
    namespaceId,
    from.xid,
    below,
    ...daysOf(from, filter),
    from.rank,
    from.key,
    limit,
    ...besides,
  ];
  const { rows } = await pool.query<EventRow>({ ...statement, values });
  return rows.map(toEvent);
}

/** When a run was queued first is what its id tells: its row says when it was queued last. So does an entry's id. */
function toEvent({ xid, rank, key, at: told, ...row }: EventRow): StoredEvent {
  const at = told ?? madeAtOf(key);
  return {
    position: { second: Math.floor(at.getTime() / 1_000), xid: BigInt(xid), rank, key },
    ...{ type: row.type, at, namespaceId: row.namespace_id, taskId: row.task_id, runId: row.run_id },
    ...{ functionName: row.function_name, data: row.data, audience: EVENT_AUDIENCES[row.audience]! },
  };
}

/**
 * Runs that failed are counted in their errors' groups after they have ended, by one scheduler at a time: an end pays
 * nothing for it, and ten thousand failures of one kind are a few changes of one row.
 *
 * How far it has come is a transaction's number (xid.ts), kept in the row that whoever counts holds: counts and progress
 * change together, so that each failure is counted once whatever breaks off. Dead letters count when they die, and not
 * once more when they are discarded.
 */
import { type ErrorKind, hourOf, kindOf, MAX_GROUP_MESSAGE_CHARS } from "../../domain/error-groups.ts";
import type { Store } from "../database.ts";
import { shownStack } from "../events/record.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { COMPLETE_BELOW } from "../xid.ts";
import { addToGroups, removeBeyondBound, type SeenKind } from "./groups.ts";

const CLOCK_SLACK_MS = 3_600_000;
const DAY_MS = 86_400_000;

interface Progress {
  below_xid: string;
  reached_at: Date;
}

interface FailedRun {
  xid: string;
  runId: string;
  namespaceId: string;
  taskId: string | null;
  functionId: string | null;
  at: Date;
  code: string | null;
  message: string;
  stack: string | null;
  isCounted: boolean;
}

const COLUMNS = `r.recorded_xid AS xid, r.namespace_id AS "namespaceId", r.task_id AS "taskId", r.function_id AS "functionId"`;

/** $1 and $2: transactions; $3 and $4: the days; $5: how many, and all that the last one's transaction brought about. */
const FAILED = `
  SELECT ${COLUMNS}, r.id AS "runId", r.finished_at AS at, r.error ->> 'code' AS code,
    left(r.error ->> 'message', ${MAX_GROUP_MESSAGE_CHARS}) AS message, ${shownStack("r.error")} AS stack, EXISTS (
    SELECT FROM events e WHERE e.run_id = r.id AND e.type = 'run.dead' AND e.claim_no = r.claim_no) AS "isCounted"
  FROM task_runs r
  WHERE r.state IN ('failed', 'expired') AND r.recorded_xid >= $1 AND r.recorded_xid < $2
    AND r.finished_at >= $3 AND r.finished_at < $4
  ORDER BY r.recorded_xid FETCH FIRST $5 ROWS WITH TIES`;

const DEAD = `
  SELECT ${COLUMNS}, r.run_id AS "runId", r.at, r.data #>> '{error,code}' AS code,
    left(r.data #>> '{error,message}', ${MAX_GROUP_MESSAGE_CHARS}) AS message, r.stack, false AS "isCounted" FROM events r
  WHERE r.type = 'run.dead' AND r.recorded_xid >= $1 AND r.recorded_xid < $2
  ORDER BY r.recorded_xid FETCH FIRST $3 ROWS WITH TIES`;

/** Counts the next failures, about `limit` of them; how many. Less than `limit`: those were all that are complete. */
export async function foldErrors(store: Store, limit: number): Promise<number> {
  return await inTransaction(store.pool, async (tx) => {
    const { rows } = await tx.pool.query<Progress>("SELECT * FROM error_folds FOR UPDATE SKIP LOCKED");
    return rows[0] ? await foldFrom(tx, rows[0], limit) : 0;
  });
}

async function foldFrom(
  tx: Transaction,
  { below_xid, reached_at }: Progress,
  limit: number,
): Promise<number> {
  const { rows } = await tx.pool.query<{ complete: string; now: Date }>(
    `SELECT ${COMPLETE_BELOW} AS complete, statement_timestamp() AS now`,
  );
  const { complete, now } = rows[0]!;
  const days = [new Date(reached_at.getTime() - CLOCK_SLACK_MS), new Date(now.getTime() + DAY_MS)];
  const failed = (await tx.pool.query<FailedRun>(FAILED, [below_xid, complete, ...days, limit])).rows;
  const dead = (await tx.pool.query<FailedRun>(DEAD, [below_xid, complete, limit])).rows;
  const below = [failed, dead].reduce((least, runs) => {
    const reached = runs.length < limit ? BigInt(complete) : BigInt(runs.at(-1)!.xid) + 1n;
    return reached < least ? reached : least;
  }, BigInt(complete));
  const folded = [...failed, ...dead].filter(({ xid }) => BigInt(xid) < below);
  const kinds = gatherKinds(folded);
  await addToGroups(tx, kinds);
  await removeBeyondBound(tx, [...new Set(kinds.map(({ namespaceId }) => namespaceId))]);
  const reachedAt = below === BigInt(complete) ? now : reached_at;
  await tx.pool.query("UPDATE error_folds SET below_xid = $1, reached_at = $2", [below, reachedAt]);
  return folded.length;
}

/** Those of one kind in one namespace together, in an order that all transactions lock them in. */
function gatherKinds(runs: FailedRun[]): SeenKind[] {
  const kinds = new Map<string, SeenKind>();
  const inTime = runs.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  for (const run of inTime) {
    const { code, message, stack } = run;
    if (run.isCounted || code === null) continue;
    const kind = kindOf({ code, message, details: { stack } });
    const key = `${run.namespaceId}/${kind.fingerprint}`;
    kinds.set(key, addRun(kinds.get(key), kind, run));
  }
  return [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind);
}

function addRun(seen: SeenKind | undefined, kind: ErrorKind, run: FailedRun): SeenKind {
  const { namespaceId, runId, taskId, functionId, at } = run;
  const before: Omit<SeenKind, "namespaceId" | "lastSeenAt" | keyof ErrorKind> = seen ?? {
    count: 0,
    firstSeenAt: at,
    hours: {},
    runIds: [],
    functionIds: [],
    taskIds: [],
  };
  const hour = hourOf(at);
  return {
    ...{ namespaceId, ...kind, count: before.count + 1, firstSeenAt: before.firstSeenAt, lastSeenAt: at },
    hours: { ...before.hours, [hour]: (before.hours[hour] ?? 0) + 1 },
    runIds: newestFirst(runId, before.runIds),
    functionIds: newestFirst(functionId, before.functionIds),
    taskIds: newestFirst(taskId, before.taskIds),
  };
}

/** More than any group keeps of a kind is not carried along. */
const MAX_CARRIED = 50;

function newestFirst(id: string | null, ids: string[]): string[] {
  if (id === null || ids[0] === id) return ids;
  return [id, ...ids.filter((other) => other !== id)].slice(0, MAX_CARRIED);
}

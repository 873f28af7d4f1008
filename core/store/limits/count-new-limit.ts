/**
 * A limit that is new is none for the claims that began before it was committed: they take no permits. So its count begins
 * full, whoever comes later waits, and once those claims have ended what they started is counted. A crash in between is
 * healed by the next recount.
 */
import { type Clock, systemClock } from "../../clock.ts";
import type { Store } from "../database.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { lockLimits } from "./limit-rows.ts";
import { recountLocked } from "./recount-permits.ts";

/** A statement that takes longer is no claim, or one whose runs the next recount takes in. */
const PATIENCE_MS = 1_000;
const LOOK_MS = 5;

interface Statement {
  pid: number;
  startedAt: string;
}

const UNDER_WAY = `backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
  AND state = 'active'`;
const FIND = `SELECT pid, query_start::text AS "startedAt" FROM pg_stat_activity WHERE ${UNDER_WAY}`;
const FIND_LEFT = `${FIND} AND (pid, query_start) IN (
  SELECT pid, "startedAt" FROM json_to_recordset($1::json) AS s(pid int, "startedAt" timestamptz))`;

/** Resolves once the statements that are under way have ended, or have had their time. */
async function settleStatements({ pool }: Pick<Store, "pool">, clock: Clock): Promise<void> {
  const deadlineMs = clock.steadyMs() + PATIENCE_MS;
  let { rows } = await pool.query<Statement>(FIND);
  while (rows.length > 0 && clock.steadyMs() < deadlineMs) {
    await clock.sleep(LOOK_MS);
    ({ rows } = await pool.query<Statement>(FIND_LEFT, [JSON.stringify(rows)]));
  }
}

/**
 * To be called after the limit was committed, before that is answered.
 *
 * @param makeKeys makes the rows of further keys that are to be counted, under the lock of this one; their keys
 */
export async function countNewLimit(
  store: Store,
  key: string,
  makeKeys: (tx: Transaction) => Promise<string[]> = async () => [],
  clock = systemClock,
): Promise<void> {
  const { rowCount } = await store.pool.query("SELECT FROM run_limits WHERE key = $1", [key]);
  if (rowCount === 0) return;
  await settleStatements(store, clock);
  await inTransaction(store.pool, async (tx) => {
    await lockLimits(tx, [key]);
    await recountLocked(tx.db, [key, ...(await makeKeys(tx))]);
  });
}

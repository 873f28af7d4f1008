/**
 * A limit that is new is none for the claims that began before it was committed: they take no permits. So its count begins
 * full (`uncounted_until`), whoever comes later waits, and once those claims have ended what they started is counted. So it
 * is with a queue that has limits per key from now on: of its keys those claims make no rows. A crash
 * in between is healed by the recount after that instant.
 */
import { type Clock, systemClock } from "../../clock.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { lockLimits } from "./limit-rows.ts";
import { makeKeysUnderWay } from "./queue-limits.ts";
import { recountLocked } from "./recount-permits.ts";

/** What takes longer is no claim, or one whose runs the next recount takes in. */
const PATIENCE_MS = 1_000;
const LOOK_MS = 5;

/** A transaction, also where it is between two statements: it may have looked at the limits, and start runs by what it saw. */
interface Transacting {
  pid: number;
  beganAt: string;
}

const UNDER_WAY = `backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
  AND state <> 'idle'`;
const BEGAN_AT = "coalesce(xact_start, query_start)";
const FIND = `SELECT pid, ${BEGAN_AT}::text AS "beganAt" FROM pg_stat_activity WHERE ${UNDER_WAY}`;
const FIND_LEFT = `${FIND} AND (pid, ${BEGAN_AT}) IN (
  SELECT pid, "beganAt" FROM json_to_recordset($1::json) AS s(pid int, "beganAt" timestamptz))`;

/** Resolves once the transactions that are under way have ended, or have had their time. */
async function settleTransactions({ pool }: Pick<Store, "pool">, clock: Clock): Promise<void> {
  const deadlineMs = clock.steadyMs() + PATIENCE_MS;
  let { rows } = await pool.query<Transacting>(FIND);
  while (rows.length > 0 && clock.steadyMs() < deadlineMs) {
    await clock.sleep(LOOK_MS);
    ({ rows } = await pool.query<Transacting>(FIND_LEFT, [JSON.stringify(rows)]));
  }
}

/** To be called after the limit was committed, before that is answered. What was taken back meanwhile is not counted. */
export async function countNewLimit(store: Store, key: string, clock = systemClock): Promise<void> {
  const { rowCount } = await store.pool.query("SELECT FROM run_limits WHERE key = $1", [key]);
  if (rowCount === 0) return;
  await settleTransactions(store, clock);
  await inTransaction(store.pool, async (tx) => {
    await lockLimits(tx, [key]);
    await tx.pool.query(
      "UPDATE run_limits SET uncounted_until = NULL WHERE key = $1 AND uncounted_until IS NOT NULL",
      [key],
    );
    await recountLocked(tx.db, [key, ...(await makeKeysUnderWay(tx.db, key))]);
  });
}

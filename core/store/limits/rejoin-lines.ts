/**
 * claimable → waiting: a retry for whose sake its queue rests comes into the line ahead of its instant, where it is the first
 * (`FIRST_TURN`). So whoever starts runs when the rest is over starts it before those that waited meanwhile.
 */
import { isQueueKey, turnKeyOf } from "../../domain/limit-keys.ts";
import type { Store } from "../database.ts";
import { CLAIMABLE_BY_ID, isDue } from "../runs/claimable.ts";
import { inTransaction } from "../transaction.ts";
import { lockLimits } from "./limit-rows.ts";
import { SOME_KEYS } from "./permits.ts";
import { FIRST_TURN } from "./turns.ts";

/** The run ends a moment after its queue was paused: its instant is then as much later. */
const A_MOMENT = "interval '500 milliseconds'";

const LOCK_RUNS = {
  name: "lock-runs-to-rejoin",
  text: `SELECT r.id, ${SOME_KEYS} AS keys FROM task_runs_open r
    WHERE r.id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID} AND r.waiting_key IS NULL AND r.turn = ${FIRST_TURN}
    ORDER BY r.id FOR UPDATE`,
};

// It has its old age again: where more are let go than workers have slots, the oldest are claimed first.
const REJOIN = {
  name: "rejoin-lines",
  text: `
    WITH rejoined AS (
      UPDATE task_runs_open r SET waiting_for = 'concurrency', waiting_key = s.key, permits = NULL, room = 'awaited',
        turn_key = s.turn_key, available_at = least(r.available_at, r.scheduled_for)
      FROM json_to_recordset($1::json) AS s(id uuid, key text, turn_key text) JOIN run_limits l ON l.key = s.key
      WHERE r.id = s.id AND l.paused_until > clock_timestamp() AND r.available_at <= l.paused_until + ${A_MOMENT}
      RETURNING s.key
    )
    UPDATE run_limits SET has_waiting = true WHERE key IN (SELECT key FROM rejoined)`,
};

/** Of retries that have just been queued: those whose queue is paused until their instant. The others stay as they are. */
export async function rejoinLines({ pool }: Pick<Store, "pool">, runIds: string[]): Promise<void> {
  await inTransaction(pool, async (tx) => {
    const { rows } = await tx.pool.query<{ id: string; keys: string[] }>({ ...LOCK_RUNS, values: [runIds] });
    const coming = rows.flatMap(({ id, keys }) => {
      const key = keys.find(isQueueKey);
      return key === undefined ? [] : [{ id, key, turn_key: turnKeyOf(keys, key) }];
    });
    if (coming.length === 0) return;
    await lockLimits(
      tx,
      coming.map(({ key }) => key),
    );
    await tx.pool.query({ ...REJOIN, values: [JSON.stringify(coming)] });
  });
}

const TAKE_OLD_AGE = {
  name: "take-old-age",
  text: `UPDATE task_runs_open SET available_at = scheduled_for WHERE id = ANY(ARRAY(
    SELECT r.id FROM task_runs_open r
    WHERE r.id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID} AND ${isDue()} AND r.waiting_key IS NULL
      AND r.turn = ${FIRST_TURN} AND r.scheduled_for < r.available_at
    ORDER BY r.id FOR UPDATE SKIP LOCKED))`,
};

/**
 * The same of those whose instant came after the rest, and has come: they stand in no line, and where more is due than workers
 * have slots the oldest start first.
 */
export async function takeOldAge({ pool }: Pick<Store, "pool">, runIds: string[]): Promise<void> {
  await pool.query({ ...TAKE_OLD_AGE, values: [runIds] });
}

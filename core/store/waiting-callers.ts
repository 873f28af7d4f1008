/** Callers that an API holds until a worker takes their calls: one row of each API that holds any. */
import type { Store } from "./database.ts";

/** What an API that is gone told is removed by the others after this. */
const REMOVED_AFTER = "1 minute";

/**
 * Tells how many callers the API holds, which counts as demand for `forMs` by the database's clock; 0 is told by having
 * no row.
 */
export async function tellWaitingCallers(
  store: Store,
  apiId: string,
  callers: number,
  forMs: number,
): Promise<void> {
  if (callers === 0) {
    await store.pool.query({
      name: "no-waiting-callers",
      text: `DELETE FROM waiting_callers
        WHERE api_id = $1 OR told_until < clock_timestamp() - interval '${REMOVED_AFTER}'`,
      values: [apiId],
    });
    return;
  }
  await store.pool.query({
    name: "waiting-callers",
    text: `INSERT INTO waiting_callers (api_id, callers, told_until)
      VALUES ($1, $2, clock_timestamp() + $3::int * interval '1 millisecond')
      ON CONFLICT (api_id) DO UPDATE SET callers = excluded.callers, told_until = excluded.told_until`,
    values: [apiId, callers, forMs],
  });
}

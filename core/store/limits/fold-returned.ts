/** Permits that were laid beside the count of their limit (permits.ts) are counted off. */
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { foldReturned, lockLimits } from "./limit-rows.ts";

/** Of `limit` keys at most, whoever they belong to: no claim may come that would do it. */
export async function foldAllReturned(store: Store, limit: number): Promise<void> {
  const { rows } = await store.pool.query<{ key: string }>(
    "SELECT DISTINCT key FROM returned_permits LIMIT $1",
    [limit],
  );
  await fold(
    store,
    rows.map(({ key }) => key),
  );
}

/** Whether there were any of that key. */
export async function foldReturnedOf(store: Store, key: string): Promise<boolean> {
  const { rowCount } = await store.pool.query("SELECT FROM returned_permits WHERE key = $1 LIMIT 1", [key]);
  if (rowCount === 0) return false;
  await fold(store, [key]);
  return true;
}

async function fold(store: Store, keys: string[]): Promise<void> {
  if (keys.length === 0) return;
  await inTransaction(store.pool, async (tx) => {
    await lockLimits(tx, keys);
    // What belonged to a limit that is gone.
    await foldReturned(tx, keys);
  });
}

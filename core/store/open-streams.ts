/**
 * Streams of logs and events that are open, over all APIs: a row each, which its API renews while the stream is open, so that
 * those of an API that crashed stop counting by themselves.
 */
import type { Store } from "./database.ts";
import { inTransaction } from "./transaction.ts";

export interface OpenStream {
  id: string;
  namespaceId: string;
}

/** What an API that is gone left is removed by the others after this. */
const REMOVED_AFTER = "1 minute";

const COUNT_OPEN = `SELECT count(*)::int AS count FROM open_streams
  WHERE namespace_id = $1 AND counted_until > clock_timestamp()`;

const forMs = (parameter: `$${number}`) => `clock_timestamp() + ${parameter}::int * interval '1 millisecond'`;

/** Counts the stream, for `leaseMs`, unless the namespace has `limit` open already: false. */
export async function openStream(
  { pool }: Pick<Store, "pool">,
  { id, namespaceId }: OpenStream,
  limit: number,
  leaseMs: number,
): Promise<boolean> {
  return await inTransaction(pool, async (tx) => {
    // One after another: each counts what those before it have committed.
    await tx.pool.query("SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE", [namespaceId]);
    const { rows } = await tx.pool.query<{ count: number }>(COUNT_OPEN, [namespaceId]);
    if (rows[0]!.count >= limit) return false;
    await tx.pool.query(
      `INSERT INTO open_streams (id, namespace_id, counted_until) VALUES ($1, $2, ${forMs("$3")})`,
      [id, namespaceId, leaseMs],
    );
    return true;
  });
}

/** Counts them for another `leaseMs`, also those that were not counted until now or any more. */
export async function renewStreams(
  { pool }: Pick<Store, "pool">,
  streams: readonly OpenStream[],
  leaseMs: number,
): Promise<void> {
  await pool.query({
    name: "renew-streams",
    text: `WITH left_behind AS (
        DELETE FROM open_streams WHERE counted_until < clock_timestamp() - interval '${REMOVED_AFTER}' AND id <> ALL($1::uuid[])
      )
      INSERT INTO open_streams (id, namespace_id, counted_until)
      SELECT s.id, s.namespace_id, ${forMs("$3")} FROM unnest($1::uuid[], $2::uuid[]) AS s(id, namespace_id)
        JOIN namespaces n ON n.id = s.namespace_id
      ON CONFLICT (id) DO UPDATE SET counted_until = excluded.counted_until`,
    values: [streams.map(({ id }) => id), streams.map(({ namespaceId }) => namespaceId), leaseMs],
  });
}

export async function closeStreams({ pool }: Pick<Store, "pool">, ids: readonly string[]): Promise<void> {
  await pool.query({
    name: "close-streams",
    text: "DELETE FROM open_streams WHERE id = ANY($1::uuid[])",
    values: [ids],
  });
}

export async function countOpenStreams({ pool }: Pick<Store, "pool">, namespaceId: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>({
    name: "count-open-streams",
    text: COUNT_OPEN,
    values: [namespaceId],
  });
  return rows[0]!.count;
}

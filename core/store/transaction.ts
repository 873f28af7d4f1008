import type pg from "pg";

/** For statements on the hot path, prepared by their name; elsewhere Kysely's transactions do. */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    client.release();
    return result;
  } catch (error) {
    // Closing the connection is the rollback that cannot fail.
    client.release(true);
    throw error;
  }
}

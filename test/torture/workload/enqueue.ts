/** An application that enqueues a task in a transaction of its own, on a connection past every pooler and proxy. */
import pg from "pg";
import type { Answer, Ask } from "./client.ts";

const PATIENCE_MS = 15_000;

/**
 * Undefined: nothing was done, and it may be tried again. An answer of status 0: whether it was committed nobody knows.
 */
export async function enqueue(url: string, { path: end, body }: Ask): Promise<Answer | undefined> {
  const client = new pg.Client({
    ...{ connectionString: url, connectionTimeoutMillis: PATIENCE_MS, query_timeout: PATIENCE_MS },
  });
  client.on("error", () => {});
  let isEnding = false;
  try {
    await client.connect();
    await client.query("BEGIN");
    const { rows } = await client.query<{ id: string }>("SELECT bellhop.enqueue($1::json)::text AS id", [
      JSON.stringify(body),
    ]);
    isEnding = end === "COMMIT";
    await client.query(end);
    const { id } = rows[0]!;
    return {
      status: end === "COMMIT" ? 201 : 200,
      runId: null,
      body: { id, isRolledBack: end === "ROLLBACK" },
    };
  } catch {
    return isEnding ? { status: 0, runId: null, body: {} } : undefined;
  } finally {
    await client.end().catch(() => {});
  }
}

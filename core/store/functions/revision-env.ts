/**
 * A revision's settings (`env`). They are the revision's own and never change. The release before knows one `env` for
 * all revisions of a function, `functions.env`: what it deploys has none of its own (null) and runs with that one, and
 * what its workers run finds that one. So it holds what the revision that leads has, and whoever is about to write it
 * gives the revisions without one what it held.
 */
import { sql } from "kysely";
import type { Db } from "../database.ts";

export type FunctionEnv = Record<string, string>;

/** In a transaction that has locked the function's row: from here on each of its revisions has settings of its own. */
export async function fillMissingEnvs(tx: Db, functionId: string): Promise<void> {
  await sql`UPDATE function_revisions AS r SET env = f.env FROM functions AS f
    WHERE f.id = ${functionId} AND r.function_id = f.id AND r.env IS NULL`.execute(tx);
}

/** In the transaction that changes what leads, with the function's row locked. */
export async function saveLeadingEnv(tx: Db, functionId: string): Promise<void> {
  await fillMissingEnvs(tx, functionId);
  await sql`UPDATE functions AS f SET env = r.env FROM function_revisions AS r
    WHERE f.id = ${functionId} AND r.id = f.active_revision_id AND f.env <> r.env`.execute(tx);
}

/**
 * What a deploy that names no settings means: those of the revision that leads, but where the traffic reaches a
 * revision of the same content, that one's, so that it is found again. Nothing for a function's first.
 */
export async function chooseEnv(tx: Db, functionId: string, contentHash: string): Promise<FunctionEnv> {
  const { rows } = await sql<{ env: FunctionEnv }>`
    SELECT r.env FROM functions f JOIN function_revisions r ON r.function_id = f.id
      CROSS JOIN LATERAL (SELECT r.id = f.active_revision_id AS leads,
        r.content_hash = ${contentHash} AND f.traffic ? r.id::text AS is_reached) AS has
    WHERE f.id = ${functionId} AND (has.leads OR has.is_reached)
    ORDER BY has.is_reached DESC, has.leads DESC, r.number DESC LIMIT 1`.execute(tx);
  return rows[0]?.env ?? {};
}

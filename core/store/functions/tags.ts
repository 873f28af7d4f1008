/** Tags: names that reach a revision whatever share of the traffic it has. */
import { sql } from "kysely";
import { BellhopError } from "../../errors.ts";
import type { Db } from "../database.ts";

export const MAX_TAGS = 50;

/** Gives the tag to a revision, taking it from another one. 422 where the function has too many. Lock the function. */
export async function moveTag(db: Db, functionId: string, tag: string, revisionId: string): Promise<void> {
  await sql`INSERT INTO function_tags (function_id, tag, revision_id) VALUES (${functionId}, ${tag}, ${revisionId})
    ON CONFLICT (function_id, tag) DO UPDATE SET revision_id = excluded.revision_id, updated_at = now()`.execute(
    db,
  );
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM function_tags WHERE function_id = ${functionId}`.execute(db);
  if (rows[0]!.count > MAX_TAGS) {
    const message = `A function has at most ${MAX_TAGS} tags.`;
    throw new BellhopError("too_many_tags", 422, message, [{ field: "tag", message }]);
  }
}

export async function hasTag(db: Db, functionId: string, tag: string): Promise<boolean> {
  const row = await db
    .selectFrom("function_tags")
    .select("tag")
    .where("function_id", "=", functionId)
    .where("tag", "=", tag)
    .executeTakeFirst();
  return row !== undefined;
}

export async function removeTag(db: Db, functionId: string, tag: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom("function_tags")
    .where("function_id", "=", functionId)
    .where("tag", "=", tag)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

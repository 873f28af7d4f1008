/** Changing how a function's calls are split between its revisions. What it was before is kept, for a rollback. */
import { sql } from "kysely";
import { leadingRevision, type Traffic } from "../../domain/traffic.ts";
import { conflict } from "../../errors.ts";
import type { Db } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { saveLead } from "./lead.ts";

/** Sets the shares; nothing moves where they stand already. */
export async function changeTraffic(db: Db, functionId: string, traffic: Traffic): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`SELECT FROM functions WHERE id = ${functionId} FOR NO KEY UPDATE`.execute(tx);
    await setTraffic(tx, functionId, traffic);
    await saveLead(tx, functionId);
  });
}

/** The same within a transaction, which has locked the function's row and saves what leads after it. */
export async function setTraffic(tx: Db, functionId: string, traffic: Traffic): Promise<void> {
  const shares = Object.fromEntries(Object.entries(traffic).filter(([, percent]) => percent > 0));
  await sql`UPDATE functions SET previous_traffic = nullif(traffic, '{}'), traffic = ${toJsonText(shares)}::jsonb,
      active_revision_id = coalesce(${leadingRevision(shares) ?? null}::uuid, active_revision_id), updated_at = now()
    WHERE id = ${functionId} AND traffic <> ${toJsonText(shares)}::jsonb`.execute(tx);
}

/**
 * Brings back the shares before the last change; a second rollback undoes the first. 409 where there are none. To
 * return to a revision by name is a change like any other.
 */
export async function rollBackTraffic(db: Db, functionId: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const { previous_traffic } = await tx
      .selectFrom("functions")
      .select("previous_traffic")
      .where("id", "=", functionId)
      .forUpdate()
      .executeTakeFirstOrThrow();
    if (!previous_traffic)
      throw conflict("The traffic of this function has never changed.", "nothing_to_roll_back");
    await setTraffic(tx, functionId, previous_traffic);
    await saveLead(tx, functionId);
  });
}

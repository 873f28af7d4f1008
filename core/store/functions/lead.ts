/** What stands elsewhere of the revision that leads. */
import type { Db } from "../database.ts";
import { saveFunctionLimit } from "../limits/function-limits.ts";
import { saveLeadingEnv } from "./revision-env.ts";

/** At the end of the transaction that changes what leads, with the function's row locked. */
export async function saveLead(tx: Db, functionId: string): Promise<void> {
  await saveFunctionLimit(tx, functionId);
  await saveLeadingEnv(tx, functionId);
}

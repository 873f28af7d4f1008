/** For a transaction that takes rows of runs in several statements: it gives back their permits in its last one. */
import type { Transaction } from "../transaction.ts";
import { givePermitsBack } from "./permits.ts";

const RETURN = {
  name: "return-permits",
  text: `WITH ended AS MATERIALIZED (SELECT permits FROM json_to_recordset($1::json) AS e(permits text[])),
    ${givePermitsBack("ended")}
    SELECT key FROM permits_back WHERE has_waiting`,
};

/** @param permits of each run, those it held; the keys among them that runs wait for */
export async function returnPermits(tx: Transaction, permits: (string[] | null)[]): Promise<string[]> {
  const held = permits.filter((keys) => keys !== null && keys.length > 0);
  if (held.length === 0) return [];
  const values = [JSON.stringify(held.map((permits) => ({ permits })))];
  const { rows } = await tx.pool.query<{ key: string }>({ ...RETURN, values });
  return rows.map(({ key }) => key);
}

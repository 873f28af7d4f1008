/** Codes that sign in to the console. A code works once and not for long; the database has its SHA-256 only, as of keys. */
import { randomBytes } from "node:crypto";
import type { QueryScope } from "./database.ts";
import { hashKey } from "./keys.ts";
import type { Transaction } from "./transaction.ts";

/** Long enough to fetch a coffee between the start and the click. */
export const SIGN_IN_CODE_FOR_MS = 60 * 60_000;

/** The code itself, known to nobody else. Codes that have expired go. */
export async function createSignInCode({ pool }: QueryScope, forMs = SIGN_IN_CODE_FOR_MS): Promise<string> {
  const code = `bhs_${randomBytes(32).toString("base64url")}`;
  await pool.query("DELETE FROM sign_in_codes WHERE expires_at <= now()");
  await pool.query({
    text: `INSERT INTO sign_in_codes (code_hash, expires_at)
      VALUES ($1, now() + $2 * interval '1 millisecond')`,
    values: [hashKey(code), forMs],
  });
  return code;
}

/** Uses the code up. False where it is unknown, used or expired: of two at once one has it. */
export async function useSignInCode({ pool }: Transaction, code: string): Promise<boolean> {
  const { rowCount } = await pool.query({
    text: "DELETE FROM sign_in_codes WHERE code_hash = $1 AND expires_at > now()",
    values: [hashKey(code)],
  });
  return rowCount === 1;
}

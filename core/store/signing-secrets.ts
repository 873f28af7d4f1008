/**
 * The secrets that a namespace's deliveries are signed with, sealed. None → one, when somebody needs it first → the newest
 * two, from its first rotation on.
 */
import type pg from "pg";
import type { Sealer } from "../secrets/sealer.ts";
import { createSigningSecret } from "../secrets/webhook-signature.ts";
import type { QueryScope, Store } from "./database.ts";
import { inTransaction } from "./transaction.ts";

/** Valid at a time. */
const KEPT = 2;

export interface SigningSecret {
  number: number;
  /** `whsec_…` */
  secret: string;
  createdAt: Date;
}

const LIST = {
  name: "list-signing-secrets",
  text: `SELECT number, sealed, created_at AS "createdAt" FROM signing_secrets WHERE namespace_id = $1
    ORDER BY number DESC LIMIT ${KEPT}`,
};

/** The newest first; never empty: the first one is made here. Throws where no key of the sealer opens one. */
export async function findSigningSecrets(
  { pool }: QueryScope,
  sealer: Sealer,
  namespaceId: string,
): Promise<SigningSecret[]> {
  const standing = await listSecrets(pool, sealer, namespaceId);
  if (standing.length > 0) return standing;
  // Whoever comes second at the same time finds the other's.
  await addSecret(pool, sealer, namespaceId, 1);
  return await listSecrets(pool, sealer, namespaceId);
}

/** When those were made that are valid, the newest first; none where nobody has needed one. */
export async function listSigningInstants({ pool }: QueryScope, namespaceId: string): Promise<Date[]> {
  const { rows } = await pool.query<{ createdAt: Date }>({ ...LIST, values: [namespaceId] });
  return rows.map(({ createdAt }) => createdAt);
}

/** Makes another one, beside which the one before stays valid; the newest first. */
export async function rotateSigningSecret(
  store: Store,
  sealer: Sealer,
  namespaceId: string,
): Promise<SigningSecret[]> {
  return await inTransaction(store.pool, async ({ pool }) => {
    // One rotation at a time.
    await pool.query("SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE", [namespaceId]);
    const [newest] = await findSigningSecrets({ pool } as QueryScope, sealer, namespaceId);
    await addSecret(pool, sealer, namespaceId, newest!.number + 1);
    await pool.query("DELETE FROM signing_secrets WHERE namespace_id = $1 AND number < $2", [
      namespaceId,
      newest!.number,
    ]);
    return await listSecrets(pool, sealer, namespaceId);
  });
}

type Client = pg.Pool | pg.PoolClient;

async function addSecret(client: Client, sealer: Sealer, namespaceId: string, number: number): Promise<void> {
  await client.query(
    "INSERT INTO signing_secrets (namespace_id, number, sealed) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [namespaceId, number, sealer.seal(placeOfSigningSecret(namespaceId, number), createSigningSecret())],
  );
}

async function listSecrets(client: Client, sealer: Sealer, namespaceId: string): Promise<SigningSecret[]> {
  const { rows } = await client.query<{ number: number; sealed: Buffer; createdAt: Date }>({
    ...LIST,
    values: [namespaceId],
  });
  return rows.map(({ number, sealed, createdAt }) => ({
    ...{ number, createdAt },
    secret: sealer.open(placeOfSigningSecret(namespaceId, number), sealed),
  }));
}

/** No name of a function's or a namespace's own secret holds a slash. */
export const placeOfSigningSecret = (namespaceId: string, number: number) => ({
  namespaceId,
  functionId: null,
  name: `signing/${number}`,
});

/** Namespaces and the keys bound to them. A key is stored as its SHA-256 only; 256 random bits need no slow hash. */
import { createHash, randomBytes } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "./database.ts";
import { newId } from "./ids.ts";

export const DEFAULT_NAMESPACE = "default";

export interface KeyOwner {
  keyId: string;
  namespaceId: string;
  namespace: string;
  scopes: string[];
}

export function generateKey(): string {
  return `bh_${randomBytes(32).toString("base64url")}`;
}

export function hashKey(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

export async function ensureNamespace(db: Db, name: string): Promise<string> {
  await db
    .insertInto("namespaces")
    .values({ id: newId(), name })
    .onConflict((on) => on.column("name").doNothing())
    .execute();
  const { id } = await db
    .selectFrom("namespaces")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirstOrThrow();
  return id;
}

/**
 * Makes the configured administrator's key the valid one of its name: the one it replaces is revoked, so that
 * changing the setting changes the lock.
 */
export async function ensureAdminKey(db: Db, namespaceId: string, key: string): Promise<void> {
  const keyHash = hashKey(key);
  await db.transaction().execute(async (tx) => {
    await sql`UPDATE api_keys SET revoked_at = now()
      WHERE namespace_id = ${namespaceId} AND name = 'admin' AND revoked_at IS NULL AND key_hash <> ${keyHash}`.execute(
      tx,
    );
    await tx
      .insertInto("api_keys")
      .values({
        id: newId(),
        namespace_id: namespaceId,
        name: "admin",
        key_hash: keyHash,
        scopes: ["admin"],
        expires_at: null,
        revoked_at: null,
      })
      .onConflict((on) => on.column("key_hash").doUpdateSet({ revoked_at: null }))
      .execute();
  });
}

/** Whether a key that was found once is still neither revoked nor expired. */
export async function isKeyValid(db: Db, keyId: string): Promise<boolean> {
  const { rows } = await sql`
    SELECT FROM api_keys WHERE id = ${keyId} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`.execute(
    db,
  );
  return rows.length > 0;
}

export async function findKeyOwner(db: Db, key: string): Promise<KeyOwner | undefined> {
  return await db
    .selectFrom("api_keys as k")
    .innerJoin("namespaces as n", "n.id", "k.namespace_id")
    .select(["k.id as keyId", "n.id as namespaceId", "n.name as namespace", "k.scopes"])
    .where("k.key_hash", "=", hashKey(key))
    .where("k.revoked_at", "is", null)
    .where((where) =>
      where.or([where("k.expires_at", "is", null), where("k.expires_at", ">", sql<Date>`now()`)]),
    )
    .executeTakeFirst();
}

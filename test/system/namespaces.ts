import { openStore } from "../../core/store/database.ts";
import { newId } from "../../core/store/ids.ts";
import { ensureNamespace, generateKey, hashKey } from "../../core/store/keys.ts";

/** A namespace of its own beside `default`; answers its administrator's key. */
export async function makeNamespace(databaseUrl: string, name: string): Promise<string> {
  const store = openStore({ databaseUrl, applicationName: "test", maxConnections: 1, onError: () => {} });
  try {
    const key = generateKey();
    const namespaceId = await ensureNamespace(store.db, name);
    await store.db
      .insertInto("api_keys")
      .values({
        ...{
          id: newId(),
          namespace_id: namespaceId,
          name: "test",
          key_hash: hashKey(key),
          scopes: ["admin"],
        },
        ...{ expires_at: null, revoked_at: null },
      })
      .execute();
    return key;
  } finally {
    await store.close();
  }
}

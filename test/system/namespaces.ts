import { openStore } from "../../core/store/database.ts";
import { ensureAdminKey, ensureNamespace, generateKey } from "../../core/store/keys.ts";

/** A namespace of its own beside `default`; answers its administrator's key. */
export async function makeNamespace(databaseUrl: string, name: string): Promise<string> {
  const store = openStore({ databaseUrl, applicationName: "test", maxConnections: 1, onError: () => {} });
  try {
    const key = generateKey();
    await ensureAdminKey(store.db, await ensureNamespace(store.db, name), key);
    return key;
  } finally {
    await store.close();
  }
}

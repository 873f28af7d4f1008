/** For what is asked of a database apart from the roles. */
import { openStore, type Store } from "../core/store/database.ts";

export async function withStore<T>(databaseUrl: string, work: (store: Store) => Promise<T>): Promise<T> {
  const store = openStore({
    databaseUrl,
    applicationName: "bellhop-standalone",
    maxConnections: 1,
    // A statement that needs a lost connection fails by itself.
    onError: () => {},
  });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

import { createSemaphore } from "../../core/semaphore.ts";
import type { Store } from "../../core/store/database.ts";
import { deleteKv, getKv, type KvQuota, listKv, setKv } from "../../core/store/functions/kv.ts";
import type { KeyValueStore } from "./kv-answerer.ts";

/** Of all runs of a worker together: claims, records and heartbeats need connections too. */
const OPERATIONS_AT_ONCE = 4;

/** The stores of functions, in the database. */
export function createFunctionKvs(store: Store, quota: KvQuota): (functionId: string) => KeyValueStore {
  const withPermit = createSemaphore(OPERATIONS_AT_ONCE);
  return (functionId) => ({
    get: (key) => withPermit(() => getKv(store, functionId, key)),
    set: (asked) => withPermit(() => setKv(store, functionId, asked, quota)),
    delete: (key, ifVersion) => withPermit(() => deleteKv(store, functionId, key, ifVersion)),
    list: (asked) => withPermit(() => listKv(store, functionId, asked)),
  });
}

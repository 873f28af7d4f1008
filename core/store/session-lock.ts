/**
 * A lock that one process of all holds, for as long as its connection lives. States: free → held → free; a connection
 * that breaks frees it.
 */
import type { PoolClient } from "pg";
import type { Store } from "./database.ts";

export interface SessionLock {
  /** Whether this process has it now. Asks once, never waits. */
  tryTake(): Promise<boolean>;
  isHeld(): boolean;
  /** Fine where it is not held. */
  release(): Promise<void>;
}

/** @param key a number that means this lock in the whole database; it takes a connection of the pool while held */
export function createSessionLock(store: Store, key: number): SessionLock {
  let holder: PoolClient | undefined;

  function lose(): void {
    holder = undefined;
  }

  return {
    isHeld: () => holder !== undefined,
    async tryTake() {
      if (holder) return true;
      const client = await store.pool.connect();
      let isGot = false;
      try {
        const { rows } = await client.query<{ got: boolean }>({
          name: "try-session-lock",
          text: "SELECT pg_try_advisory_lock($1) AS got",
          values: [key],
        });
        isGot = rows[0]!.got;
      } catch (error) {
        client.release(true);
        throw error;
      }
      if (!isGot) {
        client.release();
        return false;
      }
      client.on("error", lose);
      client.on("end", lose);
      holder = client;
      return true;
    },
    async release() {
      const client = holder;
      holder = undefined;
      if (!client) return;
      client.off("error", lose).off("end", lose);
      try {
        await client.query({
          name: "session-unlock",
          text: "SELECT pg_advisory_unlock($1)",
          values: [key],
        });
        client.release();
      } catch {
        // Its connection is gone, and the lock with it.
        client.release(true);
      }
    },
  };
}

/**
 * A lock that one process of all holds, for as long as its connection lives. States: free ⇄ held; a connection that
 * breaks frees it. The connection is kept between two takes, so that a take costs one statement and no connect.
 */
import type { PoolClient } from "pg";
import type { Store } from "./database.ts";

export interface SessionLock {
  /** Whether this process has it now. Asks once, never waits for another holder. */
  tryTake(): Promise<boolean>;
  isHeld(): boolean;
  /** Fine where it is not held. */
  release(): Promise<void>;
  /** Releases it and gives the connection back. */
  close(): Promise<void>;
}

/** @param key a number that means this lock in the whole database; a connection of the pool is taken for good */
export async function openSessionLock(store: Store, key: number): Promise<SessionLock> {
  let client: PoolClient | undefined = await connect();
  let isHeld = false;

  async function connect(): Promise<PoolClient> {
    const fresh = await store.pool.connect();
    fresh.once("end", () => drop(fresh));
    return fresh;
  }

  /** One that failed may still hold the lock: it is closed, not reused. Given back once. */
  function drop(lost: PoolClient | undefined): void {
    if (!lost || client !== lost) return;
    client = undefined;
    isHeld = false;
    lost.release(true);
  }

  async function ask(name: string, text: string): Promise<boolean> {
    client ??= await connect();
    const asked = client;
    try {
      const { rows } = await asked.query<{ done: boolean }>({ name, text, values: [key] });
      return rows[0]!.done;
    } catch (error) {
      drop(asked);
      throw error;
    }
  }

  async function release(): Promise<void> {
    if (!isHeld) return;
    isHeld = false;
    // Where this fails the connection is closed, and the lock is free all the same.
    await ask("session-unlock", "SELECT pg_advisory_unlock($1) AS done").catch(() => false);
  }

  return {
    isHeld: () => isHeld,
    async tryTake() {
      isHeld ||= await ask("session-lock", "SELECT pg_try_advisory_lock($1) AS done");
      return isHeld;
    },
    release,
    async close() {
      await release();
      drop(client);
    },
  };
}

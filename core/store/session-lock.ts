/**
 * A lock that one process of all holds, for as long as its connection lives. States: free ⇄ held; a connection that
 * breaks frees it.
 */
import type { Pool, PoolClient } from "pg";
import type { Clock } from "../clock.ts";
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

/** @param key a number that means this lock in the whole database */
export async function openSessionLock(store: Store, key: number, clock: Clock): Promise<SessionLock> {
  const sessions = await store.findSessions();
  return sessions ? await lockBySession(sessions.pool, key) : lockByTransaction(store.pool, key, clock);
}

/** A connection is taken for good: kept between two takes, so that a take costs one statement and no connect. */
async function lockBySession(pool: Pool, key: number): Promise<SessionLock> {
  let client: PoolClient | undefined = await connect();
  let isHeld = false;

  async function connect(): Promise<PoolClient> {
    const fresh = await pool.connect();
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

/** Well within the time that the server leaves a silent transaction. */
const SIGN_MS = 1_000;

/**
 * Through a pooler in transaction mode a transaction is the longest there is: it stays open while the lock is held, and
 * shows signs of life. It looks at nothing, so it keeps no old rows from being cleared away.
 */
function lockByTransaction(pool: Pool, key: number, clock: Clock): SessionLock {
  let held:
    | { client: PoolClient; signs: AbortController; signing: Promise<void>; onEnd: () => void }
    | undefined;

  async function begin(): Promise<PoolClient | undefined> {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const { rows } = await client.query<{ done: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS done", [
        key,
      ]);
      if (rows[0]!.done) return client;
      await client.query("ROLLBACK");
      client.release();
      return undefined;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async function showSigns(client: PoolClient, signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(SIGN_MS, signal);
      if (signal.aborted) return;
      await client.query("SELECT 1").catch(() => drop(client));
    }
  }

  /** A connection that failed may still hold the lock: it is closed, not reused. */
  function drop(lost: PoolClient): void {
    if (held?.client !== lost) return;
    held.signs.abort();
    held = undefined;
    lost.release(true);
  }

  async function release(): Promise<void> {
    if (!held) return;
    const { client, signs, signing, onEnd } = held;
    held = undefined;
    // The pool hands the connection on.
    client.off("end", onEnd);
    signs.abort();
    await signing;
    await client.query("COMMIT").then(
      () => client.release(),
      () => client.release(true),
    );
  }

  return {
    isHeld: () => held !== undefined,
    async tryTake() {
      if (held) return true;
      const client = await begin();
      if (!client) return false;
      const signs = new AbortController();
      const onEnd = () => drop(client);
      client.once("end", onEnd);
      held = { client, signs, signing: showSigns(client, signs.signal), onEnd };
      return true;
    },
    release,
    close: release,
  };
}

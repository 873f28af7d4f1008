/**
 * Pools whose connections suit what stands before the server. States of a fit: unknown → (the first connection, which
 * asks like one that goes straight to the server) → known, for as long as the process lives.
 */
import pg from "pg";
import { isOwnSession, isStartupRefusal, NO_POOLER, type Pooling, probePooler } from "./pooling.ts";
import { isRefusal } from "./refusal.ts";
import { type SessionSettings, toStartupOptions, toStatements } from "./session-settings.ts";
import { SharedSessionClient } from "./shared-session-client.ts";
import { TimedClient } from "./timed-client.ts";
import { createWaits } from "./waits.ts";

export interface FittedPools {
  /** Of one URL; `session` is what their connections are to have. */
  open(max: number, session: SessionSettings, given?: FittedPoolConfig): WatchedPool;
  /** Looks at the first call, with a connection of the first pool, which keeps it where it fits. */
  findPooling(): Promise<Pooling>;
}

/** A pool that knows how long it keeps others waiting for a connection. */
export interface WatchedPool extends pg.Pool {
  /** Who waits longest has waited so long; 0: nobody waits. */
  longestWaitMs(): number;
  /** Somebody begins to wait for what will be done by this pool; what it returns ends that. */
  beginWait(): () => void;
}

export interface FittedPoolConfig extends pg.PoolConfig {
  /** How long a connection keeps the plans of its prepared statements; default: as long as the server does. */
  planKeptMs?: number;
}

type ConnectCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: boolean | Error) => void,
) => void;

/** `config` holds nothing of the session. */
export function createFittedPools(config: pg.PoolConfig): FittedPools {
  let known: Pooling | undefined;
  let finding: Promise<Pooling> | undefined;
  let first: FittedPool | undefined;

  function findPooling(): Promise<Pooling> {
    finding ??= look().catch((error) => {
      finding = undefined;
      throw error;
    });
    return finding;
  }

  async function look(): Promise<Pooling> {
    known = (await first!.fits()) ? NO_POOLER : await probePooler(() => openPlain(config));
    return known;
  }

  const plannedAtMs = new WeakMap<pg.PoolClient, number>();

  class FittedPool extends pg.Pool implements WatchedPool {
    planKeptMs: number | undefined;
    private readonly waits = createWaits();

    longestWaitMs(): number {
      return this.waits.longestMs();
    }

    beginWait(): () => void {
      return this.waits.begin();
    }

    /** Whether a connection goes straight to the server. */
    async fits(): Promise<boolean> {
      let client: pg.PoolClient;
      try {
        client = await super.connect();
      } catch (error) {
        if (isStartupRefusal(error)) return false;
        throw error;
      }
      try {
        const isOwn = await isOwnSession(client);
        client.release(!isOwn);
        return isOwn;
      } catch (error) {
        client.release(true);
        throw error;
      }
    }

    override connect(): Promise<pg.PoolClient>;
    override connect(callback: ConnectCallback): void;
    override connect(callback?: ConnectCallback): Promise<pg.PoolClient> | undefined {
      const end = this.waits.begin();
      if (!callback) return (known ? this.lend() : findPooling().then(() => this.lend())).finally(end);
      const answer: ConnectCallback = (error, client, done) => {
        end();
        if (client) keepIfRefused(client);
        callback(error, client, done);
      };
      const fail = (error: Error) => answer(error, undefined, () => {});
      if (known && this.planKeptMs === undefined) super.connect(answer);
      else this.connect().then((client) => answer(undefined, client, client.release), fail);
      return undefined;
    }

    private async lend(): Promise<pg.PoolClient> {
      const client = await super.connect();
      if (this.keepsPlans(client)) return client;
      try {
        await client.query("DISCARD PLANS");
        return client;
      } catch (error) {
        client.release(true);
        throw error;
      }
    }

    /** Through a pooler in transaction mode, nobody knows whose plans they are. */
    private keepsPlans(client: pg.PoolClient): boolean {
      if (this.planKeptMs === undefined || known?.mode === "transaction") return true;
      const now = performance.now();
      const isKept = now - (plannedAtMs.get(client) ?? now) < this.planKeptMs;
      if (!isKept || !plannedAtMs.has(client)) plannedAtMs.set(client, now);
      return isKept;
    }
  }

  return {
    findPooling,
    open(max, session, { planKeptMs, ...given } = {}) {
      const options = toStartupOptions(session);
      // The pool makes its connections with `new`.
      function ChosenClient(given: pg.ClientConfig): pg.Client {
        if (!known || known.mode === "none") return new TimedClient({ ...given, options });
        if (known.mode === "session") return new TimedClient(given);
        return new SharedSessionClient(given, keepsNames(known));
      }
      const pool = new FittedPool({
        ...config,
        ...given,
        max,
        Client: ChosenClient as unknown as new () => pg.ClientBase,
        onConnect: (client) => prepareSession(client, known, session),
      });
      pool.planKeptMs = planKeptMs;
      first ??= pool;
      return pool;
    },
  };
}

/**
 * `Pool.query` closes a connection whose statement failed, whatever for. Where that was refused for what it holds, the
 * connection is as good as before, and another would have to plan anew.
 */
function keepIfRefused(client: pg.PoolClient): void {
  const { release } = client;
  client.release = (error) => release(isRefusal(error) ? undefined : error);
}

/** Where plans of named statements might be kept, they have no names: planned anew is slower, and never far off. */
function keepsNames({ carriesNames, missingSettings }: Pooling): boolean {
  return carriesNames && !missingSettings.includes("plan_cache_mode");
}

async function prepareSession(
  client: pg.ClientBase,
  pooling: Pooling | undefined,
  session: SessionSettings,
): Promise<void> {
  if (pooling?.mode === "session") await client.query(toStatements(session));
  // Poolers take a connection's time zone along from session to session, like its encoding.
  if (pooling?.mode === "transaction" && pooling.missingSettings.includes("timezone"))
    await client.query("SET timezone TO 'UTC'");
}

async function openPlain(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config);
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

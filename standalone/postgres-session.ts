/** What is said to the embedded server as its superuser: role and database are there. */
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { isDatabaseAway } from "../core/store/database-away.ts";

const INVALID_PASSWORD = "28P01";
const NO_SUCH_DATABASE = "3D000";

export const MAKE_ROLE = "CREATE ROLE bellhop LOGIN CREATEDB CREATEROLE";
export const MAKE_DATABASE = "CREATE DATABASE bellhop OWNER bellhop";

/** A machine under load may be slow to begin a session, and is asked again: it has only said that it is ready. */
const CONNECT_TIMEOUT_MS = 5_000;
const TIMEOUT_MS = 60_000;
const RETRY_MS = 100;

export interface SuperuserSession {
  port: number;
  password: string;
  connectTimeoutMs?: number;
  /** Of all tries together. */
  timeoutMs?: number;
  /** Whether another try makes sense. */
  isUp?(): boolean;
}

/** The role may create databases and watch the server, no more. Safe to repeat, and repeated while the server is away. */
export async function ensureDatabase(session: SuperuserSession, appPassword: string): Promise<void> {
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS, timeoutMs = TIMEOUT_MS, isUp = () => true } = session;
  const deadlineMs = performance.now() + timeoutMs;
  // The slower the machine, the longer the patience of a try.
  for (let patienceMs = connectTimeoutMs; ; patienceMs *= 2) {
    const leftMs = Math.max(deadlineMs - performance.now(), 1);
    try {
      return await createDatabase(session, appPassword, Math.min(patienceMs, leftMs));
    } catch (error) {
      if (!isDatabaseAway(error) || !isUp() || performance.now() + RETRY_MS > deadlineMs) throw error;
    }
    await delay(RETRY_MS);
  }
}

/** From within it, where it is there: autovacuum visits each database again and again in which there ever was a session. */
async function createDatabase(
  session: SuperuserSession,
  appPassword: string,
  connectTimeoutMs: number,
): Promise<void> {
  const create = async (client: pg.Client) => {
    const role = await client.query("SELECT 1 FROM pg_roles WHERE rolname = 'bellhop'");
    if (role.rowCount === 0) await client.query(MAKE_ROLE);
    await client.query(`ALTER ROLE bellhop PASSWORD ${client.escapeLiteral(appPassword)}`);
    await client.query("GRANT pg_monitor TO bellhop");
    const database = await client.query("SELECT 1 FROM pg_database WHERE datname = 'bellhop'");
    if (database.rowCount === 0) await client.query(MAKE_DATABASE);
  };
  try {
    await withSuperuser(session, "bellhop", connectTimeoutMs, create);
  } catch (error) {
    if ((error as { code?: string }).code !== NO_SUCH_DATABASE) throw error;
    await withSuperuser(session, "postgres", connectTimeoutMs, create);
  }
}

async function withSuperuser<T>(
  { port, password }: SuperuserSession,
  database: string,
  connectionTimeoutMillis: number,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    database,
    connectionTimeoutMillis,
    query_timeout: TIMEOUT_MS,
  });
  // A connection that breaks also rejects the query in hand.
  client.on("error", () => {});
  try {
    await client.connect();
    return await use(client);
  } catch (error) {
    if ((error as { code?: string }).code !== INVALID_PASSWORD) throw error;
    throw new Error("its data was made with another password than the one in postgres.password.");
  } finally {
    await client.end().catch(() => {});
  }
}

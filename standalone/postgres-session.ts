/** What is said to the embedded server as its superuser: role and database are there. */
import pg from "pg";

const INVALID_PASSWORD = "28P01";

/** The role may create databases and watch the server, no more. Safe to repeat. */
export async function ensureDatabase(port: number, password: string, appPassword: string): Promise<void> {
  await withSuperuser(port, password, async (client) => {
    const role = await client.query("SELECT 1 FROM pg_roles WHERE rolname = 'bellhop'");
    if (role.rowCount === 0) await client.query("CREATE ROLE bellhop LOGIN CREATEDB");
    await client.query(`ALTER ROLE bellhop PASSWORD ${client.escapeLiteral(appPassword)}`);
    await client.query("GRANT pg_monitor TO bellhop");
    const database = await client.query("SELECT 1 FROM pg_database WHERE datname = 'bellhop'");
    if (database.rowCount === 0) await client.query("CREATE DATABASE bellhop OWNER bellhop");
  });
}

async function withSuperuser<T>(
  port: number,
  password: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    database: "postgres",
    connectionTimeoutMillis: 5_000,
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

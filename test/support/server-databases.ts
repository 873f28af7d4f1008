/** Databases on a server: empty ones, the template that has today's schema, and copies of it. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { openStore } from "../../core/store/database.ts";
import { migrateUp } from "../../core/store/migrate.ts";

/** @param serverUrl of a role that may create databases */
export async function createDatabase(serverUrl: string, kind: "test" | "template"): Promise<string> {
  const name = makeName(kind);
  await administer(serverUrl, `CREATE DATABASE ${name}`);
  return name;
}

/** A fresh one with today's schema, to be copied: nobody is connected to it. */
export async function createTemplate(serverUrl: string): Promise<string> {
  const name = await createDatabase(serverUrl, "template");
  const store = openStore({
    ...{ databaseUrl: urlOf(serverUrl, name), applicationName: "bellhop-test", maxConnections: 1 },
    onError: () => {},
  });
  try {
    await migrateUp(store);
    await store.close();
  } catch (error) {
    await store.close();
    // Why migrating failed matters more than why this does.
    await dropDatabase(serverUrl, name).catch(() => {});
    throw error;
  }
  return name;
}

/**
 * `files`: half of the processor time, but two checkpoints of the whole server, which only one that is the tests' own
 * makes for nothing; `log`: the server's usual way.
 */
export type CopyBy = "files" | "log";

/**
 * The copies share a server, and their tables and indexes have the same OIDs: whoever looks at what all its databases
 * have in common (pg_locks, pg_stat_activity and their like) takes only the rows of its own.
 */
export async function copyTemplate(serverUrl: string, template: string, by: CopyBy): Promise<string> {
  const name = makeName("test");
  const strategy = by === "files" ? "STRATEGY FILE_COPY" : "";
  await administer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${template} ${strategy}`);
  return name;
}

/** Ends its sessions too. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await administer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

export function urlOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

const makeName = (kind: string) => `bellhop_${kind}_${randomBytes(8).toString("hex")}`;

async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

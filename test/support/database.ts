/**
 * A fresh, empty database for a test, on the server of TEST_DATABASE_URL, which `npm test` sets. A file run by hand
 * (`node --test file`) starts a server of its own at the first need and stops it at its end.
 */
import { randomBytes } from "node:crypto";
import { after } from "node:test";
import pg from "pg";
import { startTestPostgres, type TestServer } from "./servers.ts";

export interface TestDatabase {
  url: string;
  /** Ends its sessions and removes it; safe to call again. What a test forgets is dropped when its file ends. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Prepares a database by its URL and closes its connections. Done once per process; others are copies of it. */
  migrate?: (url: string) => Promise<void>;
}

type Migrate = NonNullable<TestDatabaseOptions["migrate"]>;

let ownServer: Promise<TestServer> | undefined;
const templates = new Map<Migrate, Promise<string>>();
/** Names of what exists because of this process. */
const created = new Set<string>();

after(async () => {
  for (const name of created) await dropDatabase(name);
  await (await ownServer)?.stop();
});

export async function createTestDatabase({ migrate }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const template = migrate && (await provideTemplate(migrate));
  const name = await createDatabase("test", template);
  return { url: await urlOf(name), drop: () => dropDatabase(name) };
}

function provideTemplate(migrate: Migrate): Promise<string> {
  let template = templates.get(migrate);
  if (!template) {
    template = makeTemplate(migrate);
    templates.set(migrate, template);
  }
  return template;
}

async function makeTemplate(migrate: Migrate): Promise<string> {
  const name = await createDatabase("template");
  await migrate(await urlOf(name));
  return name;
}

async function createDatabase(kind: string, template?: string): Promise<string> {
  const name = `bellhop_${kind}_${randomBytes(8).toString("hex")}`;
  await administer(`CREATE DATABASE ${name}${template ? ` TEMPLATE ${template}` : ""}`);
  created.add(name);
  return name;
}

async function dropDatabase(name: string): Promise<void> {
  if (!created.delete(name)) return;
  await administer(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: await adminUrl() });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function adminUrl(): Promise<string> {
  const given = process.env["TEST_DATABASE_URL"];
  if (given) return given;
  ownServer ??= startTestPostgres();
  return (await ownServer).address;
}

async function urlOf(name: string): Promise<string> {
  const url = new URL(await adminUrl());
  url.pathname = `/${name}`;
  return url.href;
}

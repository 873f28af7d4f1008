/**
 * A database of its own for a test, on the server of TEST_DATABASE_URL: a copy of TEST_DATABASE_TEMPLATE, which has
 * today's schema. `npm test` sets both, and TEST_DATABASE_COPY where the server is its own. A file run by hand
 * (`node --test file`) starts a server of its own at the first need, makes the template there, and stops the server at its
 * end.
 */
import { after } from "node:test";
import * as databases from "./server-databases.ts";
import { startTestPostgres, type TestServer } from "./servers.ts";

export interface TestDatabase {
  url: string;
  /** Ends its sessions and removes it; safe to call again. What a test forgets is dropped when its file ends. */
  drop(): Promise<void>;
}

let ownServer: Promise<TestServer> | undefined;
let ownTemplate: Promise<string> | undefined;
/** Names of what exists because of this process. */
const created = new Set<string>();

after(async () => {
  for (const name of created) await drop(name);
  await (await ownServer)?.stop();
});

/** With the schema: to copy it costs a twentieth of the processor time of its migrations, which is a second. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return keep(await databases.copyTemplate(await serverUrl(), await template(), copyBy()));
}

/** For tests of migrations and of what migrates. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return keep(await databases.createDatabase(await serverUrl(), "test"));
}

async function keep(name: string): Promise<TestDatabase> {
  created.add(name);
  return { url: databases.urlOf(await serverUrl(), name), drop: () => drop(name) };
}

async function drop(name: string): Promise<void> {
  if (created.delete(name)) await databases.dropDatabase(await serverUrl(), name);
}

function copyBy(): databases.CopyBy {
  return ownServer || process.env["TEST_DATABASE_COPY"] === "files" ? "files" : "log";
}

async function serverUrl(): Promise<string> {
  const given = process.env["TEST_DATABASE_URL"];
  if (given) return given;
  ownServer ??= startTestPostgres();
  return (await ownServer).address;
}

async function template(): Promise<string> {
  const given = process.env["TEST_DATABASE_URL"] && process.env["TEST_DATABASE_TEMPLATE"];
  if (given) return given;
  ownTemplate ??= makeTemplate();
  return await ownTemplate;
}

async function makeTemplate(): Promise<string> {
  const name = await databases.createTemplate(await serverUrl());
  created.add(name);
  return name;
}

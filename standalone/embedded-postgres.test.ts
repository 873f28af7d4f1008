import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import pg from "pg";
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "./embedded-postgres.ts";
import { startStandalone } from "./main.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { servesFolder, startMarkOf } from "./process-identity.ts";
import { removeLeftFolders } from "./temporary-folder.ts";

const QUICK = { fsync: "off", shared_buffers: "16MB" };
const isRoot = process.getuid?.() === 0;

async function tempFolder(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "bellhop-pg-")));
  // A server that is still ending may write a last file.
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));
  return folder;
}

async function start(t: TestContext, options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ settings: QUICK, ...options });
  t.after(() => server.stop());
  return server;
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test("a restart keeps the data, and a stop may be repeated", async (t) => {
  const dataDir = join(await tempFolder(t), "data");
  const first = await start(t, { dataDir });
  await query(first.url, "CREATE TABLE errands (name text); INSERT INTO errands VALUES ('post')");
  await Promise.all([first.stop(), first.stop()]);
  assert.deepEqual(await first.exited, { code: 0, signal: null });
  await first.stop();

  const second = await start(t, { dataDir });
  assert.deepEqual(await query(second.url, "SELECT name FROM errands"), [{ name: "post" }]);
});

test("the server keeps statistics of Bellhop's database alone, so that autovacuum visits no other", async (t) => {
  const server = await start(t, { dataDir: await tempFolder(t) });
  const visited = await query(
    server.url,
    "SELECT datname, pg_get_userbyid(datdba) AS owner FROM pg_stat_database JOIN pg_database USING (datname) WHERE blks_hit > 0",
  );
  assert.deepEqual(visited, [{ datname: "bellhop", owner: "bellhop" }]);
});

test("the server is on loopback only, durable by default, and bellhop is no superuser", async (t) => {
  const dataDir = await tempFolder(t);
  const server = await start(t, { dataDir, settings: {} });
  const shown = async (name: string) => Object.values((await query(server.url, `SHOW ${name}`))[0]!)[0];
  assert.equal(await shown("listen_addresses"), "127.0.0.1");
  assert.equal(await shown("unix_socket_directories"), "");
  assert.equal(await shown("fsync"), "on");
  assert.equal(await shown("synchronous_commit"), "on");
  assert.equal(await shown("data_checksums"), "on");
  assert.equal(await shown("server_encoding"), "UTF8");
  const [role] = await query(
    server.url,
    "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user",
  );
  assert.deepEqual(role, { rolsuper: false, rolcreatedb: true });
  await assert.rejects(query(server.url, "COPY (SELECT 1) TO PROGRAM 'true'"), { code: "42501" });
});

test("the passwords are random, kept in a file for the owner alone, and asked for", async (t) => {
  const dataDir = await tempFolder(t);
  const server = await start(t, { dataDir });
  const file = join(dataDir, "postgres.password");
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const url = new URL(server.url);
  assert.ok(!(await readFile(file, "utf8")).includes(url.password), "the role has a password of its own");
  assert.ok(!(await readFile(join(dataDir, "postgres.log"), "utf8")).includes(url.password));
  url.password = "wrong";
  await assert.rejects(query(url.href, "SELECT 1"), { code: "28P01" });
});

test("a second start on a folder in use is refused and disturbs nothing", async (t) => {
  const dataDir = await tempFolder(t);
  const server = await start(t, { dataDir });
  await assert.rejects(
    startEmbeddedPostgres({ dataDir, onLocked: () => assert.fail("the folder is another's") }),
    /already runs on the data folder .*BELLHOP_DATA_DIR/,
  );
  assert.equal((await query(server.url, "SELECT 1 AS one"))[0]!["one"], 1);
});

test("a temporary start on a folder that holds something is refused and touches nothing", async (t) => {
  const dataDir = await tempFolder(t);
  await writeFile(join(dataDir, "api-key"), "kept");
  await assert.rejects(
    startStandalone({ PORT: "0", BELLHOP_DATA_DIR: dataDir }, undefined, ["--temporary"]),
    /is not empty, and --temporary would remove it/,
  );
  assert.deepEqual(await readdir(dataDir), ["api-key"]);
});

test("a server whose parent was killed is stopped and its data taken over", async (t) => {
  const dataDir = await tempFolder(t);
  const module = join(import.meta.dirname, "embedded-postgres.ts");
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(module)};
    const server = await startEmbeddedPostgres(${JSON.stringify({ dataDir, settings: QUICK })});
    console.log(JSON.stringify({ pid: server.pid, url: server.url }));`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => parent.kill("SIGKILL"));
  const [line] = (await once(createInterface(parent.stdout), "line")) as [string];
  const orphan = JSON.parse(line) as { pid: number; url: string };
  await query(orphan.url, "CREATE TABLE errands (name text); INSERT INTO errands VALUES ('post')");
  parent.kill("SIGKILL");
  await once(parent, "exit");
  assert.ok(servesFolder(orphan.pid, join(dataDir, "postgres")), "the server outlives its parent");

  const lines: string[] = [];
  const server = await start(t, { dataDir, onLog: (text) => lines.push(text) });
  assert.equal(servesFolder(orphan.pid, join(dataDir, "postgres")), false);
  assert.match(lines.join("\n"), new RegExp(`left behind \\(process ${orphan.pid}\\)`));
  assert.deepEqual(await query(server.url, "SELECT name FROM errands"), [{ name: "post" }]);
});

test("temporary folders whose start was killed go, with their servers; those in use and others' stay", async (t) => {
  const parent = await tempFolder(t);
  const make = async (name: string, options = {}) => {
    const dataDir = join(parent, name);
    await mkdir(dataDir);
    return await start(t, { dataDir, ...options });
  };
  const left = await make("bellhop-dev-left00");
  const inUse = await make("bellhop-dev-inuse0");
  const gone = { pid: left.pid, startMark: "of another" };
  await writeFile(join(parent, "bellhop-dev-left00", "bellhop.lock"), JSON.stringify(gone));
  for (const name of ["bellhop-dev-begun0", "elsewhere"]) await mkdir(join(parent, name));
  const lines: string[] = [];
  await removeLeftFolders(join(parent, "bellhop-dev-own000"), (line) => lines.push(line));
  assert.deepEqual(await left.exited, { code: 0, signal: null });
  assert.deepEqual((await readdir(parent)).sort(), ["bellhop-dev-begun0", "bellhop-dev-inuse0", "elsewhere"]);
  assert.equal((await query(inUse.url, "SELECT 1 AS one"))[0]!["one"], 1);
  assert.deepEqual(lines, [
    `Stopping the database server that an earlier Bellhop left behind (process ${left.pid}) …`,
  ]);
});

test("a server killed outright recovers at the next start", async (t) => {
  const dataDir = await tempFolder(t);
  const first = await start(t, { dataDir });
  await query(first.url, "CREATE TABLE errands (name text); INSERT INTO errands VALUES ('post')");
  process.kill(first.pid, "SIGKILL");
  assert.deepEqual(await first.exited, { code: null, signal: "SIGKILL" });
  await first.stop();
  const second = await start(t, { dataDir });
  assert.deepEqual(await query(second.url, "SELECT name FROM errands"), [{ name: "post" }]);
});

test("what an interrupted first start left is thrown away and made anew", async (t) => {
  const dataDir = await tempFolder(t);
  await mkdir(join(dataDir, "postgres.init-0123", "data"), { recursive: true });
  await writeFile(join(dataDir, "postgres.init-0123", "data", "PG_VERSION"), "18\n");
  const server = await start(t, { dataDir });
  assert.equal((await query(server.url, "SELECT 1 AS one"))[0]!["one"], 1);
  await assert.rejects(stat(join(dataDir, "postgres.init-0123")), { code: "ENOENT" });
});

test("a lost password file is told, not papered over", async (t) => {
  const dataDir = await tempFolder(t);
  await (await start(t, { dataDir })).stop();
  await rm(join(dataDir, "postgres.password"));
  await assert.rejects(startEmbeddedPostgres({ dataDir }), /postgres\.password is missing/);
  await writeFile(join(dataDir, "postgres.password"), "another\n");
  await assert.rejects(startEmbeddedPostgres({ dataDir }), /made with another password/);
});

test("a failed start says the server's last words and leaves nothing behind", async (t) => {
  const dataDir = await tempFolder(t);
  const settings = { ...QUICK, shared_buffers: "nonsense" };
  await assert.rejects(
    startEmbeddedPostgres({ dataDir, settings }),
    /did not start on port \d+: .*\n.*shared_buffers/s,
  );
  await assert.rejects(stat(join(dataDir, "bellhop.lock")), { code: "ENOENT" });
  await start(t, { dataDir });
});

test("an asked-for port is used, and one that stays taken is named", async (t) => {
  const dataDir = await tempFolder(t);
  const taken = createServer().listen(0, "127.0.0.1");
  t.after(() => taken.close());
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  await assert.rejects(
    startEmbeddedPostgres({ dataDir, port, settings: QUICK }),
    new RegExp(`on port ${port}: .*already in use`, "s"),
  );
  taken.close();
  await once(taken, "close");
  const server = await start(t, { dataDir, port });
  assert.equal(server.port, port);
});

test("a cancelled start ends its server", async (t) => {
  const dataDir = await tempFolder(t);
  const cancel = AbortSignal.abort();
  await assert.rejects(startEmbeddedPostgres({ dataDir, settings: QUICK, signal: cancel }), /cancelled/);
  const pidFile = await readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8").catch(() => "");
  assert.equal(servesFolder(Number.parseInt(pidFile, 10), join(dataDir, "postgres")), false);
});

test("programs and data in a folder that only root may enter", async (t) => {
  const closed = await tempFolder(t);
  assert.equal((await stat(closed)).mode & 0o777, 0o700);
  const source = dirname(dirname((await findPostgresBinaries()).postgres));
  await cp(source, join(closed, "native"), { recursive: true, verbatimSymlinks: true });
  const binaries = {
    initdb: join(closed, "native", "bin", "initdb"),
    postgres: join(closed, "native", "bin", "postgres"),
  };
  const dataDir = join(closed, "data");
  const first = await start(t, { dataDir, binaries });
  await query(first.url, "CREATE TABLE errands (name text); INSERT INTO errands VALUES ('post')");
  if (isRoot && process.platform === "linux") {
    const status = await readFile(`/proc/${first.pid}/status`, "utf8");
    assert.doesNotMatch(status, /^Uid:\s+0\b/m, "the server is not root");
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.match(status, /^CapBnd:\s+000000000000000[24]$/m, "one capability, to pass closed folders");
  }
  await first.stop();
  const second = await start(t, { dataDir, binaries });
  assert.deepEqual(await query(second.url, "SELECT name FROM errands"), [{ name: "post" }]);
});

test("a start mark tells a live process from none", () => {
  assert.equal(startMarkOf(process.pid), startMarkOf(process.pid));
  assert.notEqual(startMarkOf(process.pid), startMarkOf(process.ppid));
  assert.equal(startMarkOf(2 ** 22 + 1), undefined);
});

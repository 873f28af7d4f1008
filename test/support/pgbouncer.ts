/** A PgBouncer of a test's own before the tests' PostgreSQL, on a port that it keeps from start to start. */
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { type PgBouncerTool, providePgBouncer } from "../tools/pgbouncer.ts";
import { skipUnlessStrict } from "../tools/skip.ts";
import { freePorts } from "./free-ports.ts";
import { type RunningProcess, startCommand } from "./processes.ts";

export interface PgBouncer {
  /** The database's URL, through it. */
  url: string;
  /** At once, as a crash would; whoever is connected is cut off. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface PgBouncerOptions {
  /** The database, as it is reached without it. */
  databaseUrl: string;
  mode: "session" | "transaction" | "statement";
  poolSize?: number;
  /** More lines of its [pgbouncer] section. */
  settings?: Record<string, string | number>;
  /** For its files; default: one of its own, which goes with the test file. */
  folder?: string;
}

/** The program, or why tests of it are skipped. */
export async function testPgBouncer(): Promise<{ tool: PgBouncerTool } | { skip: string }> {
  const tool = await providePgBouncer();
  return "skip" in tool ? { skip: skipUnlessStrict(tool.skip) } : { tool };
}

const START_PATIENCE_MS = 60_000;

/** The processes end with their file by themselves. */
const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** Ends with the test file. */
export async function startPgBouncer(tool: PgBouncerTool, options: PgBouncerOptions): Promise<PgBouncer> {
  const [port] = await freePorts(1);
  const folder = options.folder ?? (await makeFolder());
  // Started by root, it goes on as another user, who has to read its files again.
  await chmod(folder, 0o755);
  const file = await writeConfig(folder, port!, options);
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  let running: RunningProcess | undefined;

  const bouncer: PgBouncer = {
    url: Object.assign(new URL(options.databaseUrl), { hostname: "127.0.0.1", port: String(port) }).href,
    async kill() {
      running?.signal("SIGKILL");
      await running?.exited;
      running = undefined;
    },
    async start() {
      running = startCommand("pgbouncer", [tool.file, ...user, file], tool.env);
      await running.waitForLine(/process up/, START_PATIENCE_MS);
      const socket = connect(port!, "127.0.0.1");
      await once(socket, "connect");
      socket.destroy();
    },
  };
  await bouncer.start();
  return bouncer;
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-pgbouncer-"));
  folders.push(folder);
  return folder;
}

async function writeConfig(folder: string, port: number, options: PgBouncerOptions): Promise<string> {
  const { databaseUrl, mode, poolSize = 5, settings = {} } = options;
  const { hostname, port: serverPort, username, password } = new URL(databaseUrl);
  const users = join(folder, "users.txt");
  await writeFile(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  const own = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: users,
    pool_mode: mode,
    default_pool_size: poolSize,
    max_client_conn: 500,
    ...settings,
  };
  const file = join(folder, "pgbouncer.ini");
  const lines = Object.entries(own).map(([name, value]) => `${name} = ${value}`);
  await writeFile(
    file,
    `[databases]\n* = host=${hostname} port=${serverPort || 5432}\n[pgbouncer]\n${lines.join("\n")}\n`,
  );
  return file;
}

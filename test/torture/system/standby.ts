/** A standby that follows a running server by streaming replication: made of a copy of its files, taken while it runs. */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { appendFile, chmod, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { until } from "../../../core/store/testing/test-store.ts";
import { findPostgresBinaries } from "../../../standalone/postgres-binaries.ts";
import { launch, planLauncher } from "../../../standalone/server-account.ts";
import { freePorts } from "../../support/free-ports.ts";
import { guardProcess } from "../../support/process-guard.ts";

export interface Standby {
  /** As `startEmbeddedPostgres` takes it, once the standby has been promoted and ended. */
  dataDir: string;
  port: number;
  pid: number;
  exited: Promise<unknown>;
  /** Takes writes once it resolves. */
  promote(): Promise<void>;
  /** At once. */
  stop(): Promise<void>;
}

export interface Followed {
  dataDir: string;
  port: number;
}

/** A standby that asks again after seconds would hold up every commit after a restart of the server that it follows. */
const FOLLOWING = { wal_retrieve_retry_interval: "100ms", hot_standby: "on" };

/** The setting that names whom commits wait for. */
const WAITED_FOR = "synchronous_standby_names";

/** Resolves once it streams, and every commit of the followed server waits for it. */
export async function startStandby(
  followed: Followed,
  dataDir: string,
  settings: Record<string, string>,
): Promise<Standby> {
  const data = join(dataDir, "postgres");
  await mkdir(dataDir);
  await chmod(dataDir, 0o711);
  const passwordFile = join(followed.dataDir, "postgres.password");
  const password = (await readFile(passwordFile, "utf8")).trim();
  await promisify(execFile)("cp", ["-a", passwordFile, dataDir]);
  await copyWhileItRuns(followed, password, data);
  const binaries = await findPostgresBinaries();
  const launcher = await planLauncher(binaries, data, dataDir, () => {});
  const conninfo = `host=127.0.0.1 port=${followed.port} user=postgres password=${password}`;
  await appendFile(join(data, "postgresql.auto.conf"), `primary_conninfo = '${conninfo}'\n`);
  for (const file of ["backup_label", "standby.signal"]) await launcher.own(join(data, file));
  const [port] = await freePorts(1);
  const log = await open(join(dataDir, "postgres.log"), "a");
  const all = { listen_addresses: "127.0.0.1", unix_socket_directories: "", ...settings, ...FOLLOWING };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = launch(launcher, binaries.postgres, ["-D", data, "-p", String(port), ...flags], log.fd);
  const guard = guardProcess(child.pid!, { signal: "SIGQUIT" });
  const exited = once(child, "exit").then(async () => {
    guard.release();
    await log.close();
  });
  await whenStreaming(followed.port, password);
  await askSuperuser(followed.port, password, `ALTER SYSTEM SET ${WAITED_FOR} = '*'`);
  await askSuperuser(followed.port, password, "SELECT pg_reload_conf()");
  return {
    ...{ dataDir, port: port!, pid: child.pid!, exited },
    async promote() {
      await askSuperuser(port!, password, "SELECT pg_promote(true)");
    },
    stop: () => endAtOnce(child, exited),
  };
}

async function endAtOnce(child: ChildProcess, exited: Promise<void>): Promise<void> {
  child.kill("SIGQUIT");
  await exited;
}

/** No commit of a server that does not run waits for a standby, once it is started. */
export async function forgetStandby(dataDir: string): Promise<void> {
  const file = join(dataDir, "postgres", "postgresql.auto.conf");
  const lines = (await readFile(file, "utf8")).split("\n");
  await writeFile(file, lines.filter((line) => !line.startsWith(WAITED_FOR)).join("\n"));
}

/** The server's own way: what changes while it is copied is in the log that the standby follows from its beginning. */
async function copyWhileItRuns({ dataDir, port }: Followed, password: string, data: string): Promise<void> {
  const client = await openSuperuser(port, password);
  try {
    await client.query("SELECT pg_backup_start('standby', true)");
    // Files come and go while they are copied.
    await promisify(execFile)("cp", ["-a", join(dataDir, "postgres"), data]).catch(() => {});
    const { rows } = await client.query<{ labelfile: string }>("SELECT labelfile FROM pg_backup_stop(false)");
    for (const own of ["postmaster.pid", "postmaster.opts"]) await rm(join(data, own), { force: true });
    await writeFile(join(data, "backup_label"), rows[0]!.labelfile);
    await writeFile(join(data, "standby.signal"), "");
  } finally {
    await client.end().catch(() => {});
  }
}

async function whenStreaming(port: number, password: string): Promise<void> {
  const statement = "SELECT FROM pg_stat_replication WHERE state = 'streaming'";
  await until(async () => ((await askSuperuser(port, password, statement)) > 0 ? true : undefined));
}

async function openSuperuser(port: number, password: string): Promise<pg.Client> {
  const client = new pg.Client({ host: "127.0.0.1", port, user: "postgres", password, database: "postgres" });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** @returns how many rows the answer has */
async function askSuperuser(port: number, password: string, statement: string): Promise<number> {
  const client = await openSuperuser(port, password);
  try {
    return (await client.query(statement)).rowCount ?? 0;
  } finally {
    await client.end().catch(() => {});
  }
}

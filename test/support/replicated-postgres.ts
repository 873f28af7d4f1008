/** A PostgreSQL server with a standby that follows it by streaming replication, and can take its place. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { appendFile, chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { until } from "../../core/store/testing/test-store.ts";
import { startEmbeddedPostgres } from "../../standalone/embedded-postgres.ts";
import { findPostgresBinaries } from "../../standalone/postgres-binaries.ts";
import { launch, planLauncher } from "../../standalone/server-account.ts";
import { freePorts } from "./free-ports.ts";
import { guardProcess } from "./process-guard.ts";

const run = promisify(execFile);

export interface ReplicatedPostgres {
  /** Of the primary, as `startEmbeddedPostgres` gives it. */
  url: string;
  standbyPort: number;
  standbyUrl: string;
  /** As the superuser. */
  administer(at: "primary" | "standby", statement: string): Promise<void>;
  /** Kills the primary and makes the standby one; resolves once it takes writes. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/** @param extra settings of both servers */
export async function startReplicatedPostgres(
  extra: Record<string, string> = {},
): Promise<ReplicatedPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "bellhop-test-replicated-"));
  await chmod(folder, 0o711);
  const [primaryDir, standbyDir] = [join(folder, "primary"), join(folder, "standby")];
  const [port, standbyPort] = await freePorts(2);
  // A standby takes no fewer connections than its primary.
  const settings = { shared_buffers: "64MB", autovacuum: "off", max_connections: "200", ...extra };
  // Its copy is the standby's beginning: made while it is stopped, it needs no base backup.
  await (await startEmbeddedPostgres({ dataDir: primaryDir, settings })).stop();
  const data = join(standbyDir, "postgres");
  await mkdir(standbyDir);
  await chmod(standbyDir, 0o711);
  await run("cp", ["-a", join(primaryDir, "postgres"), data]);
  const password = (await readFile(join(primaryDir, "postgres.password"), "utf8")).trim();
  const binaries = await findPostgresBinaries();
  const launcher = await planLauncher(binaries, data, standbyDir, () => {});
  const primary = await startEmbeddedPostgres({ dataDir: primaryDir, port: port!, settings });
  const primaryGuard = guardProcess(primary.pid, { signal: "SIGQUIT", removeFolder: folder });
  await appendFile(
    join(data, "postgresql.auto.conf"),
    `primary_conninfo = 'host=127.0.0.1 port=${port} user=postgres password=${password}'\n`,
  );
  await writeFile(join(data, "standby.signal"), "");
  await launcher.own(join(data, "standby.signal"));
  const log = await open(join(standbyDir, "postgres.log"), "a");
  const flags = Object.entries({ listen_addresses: "127.0.0.1", unix_socket_directories: "", ...settings });
  const standby = launch(
    launcher,
    binaries.postgres,
    ["-D", data, "-p", String(standbyPort), ...flags.flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    log.fd,
  );
  const standbyGuard = guardProcess(standby.pid!, { signal: "SIGQUIT" });
  const exited = once(standby, "exit");

  async function ask<T extends pg.QueryResultRow>(atPort: number, text: string): Promise<T[]> {
    const client = new pg.Client({
      ...{ host: "127.0.0.1", port: atPort, user: "postgres", password, database: "postgres" },
    });
    client.on("error", () => {});
    try {
      await client.connect();
      return (await client.query<T>(text)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  async function stop(): Promise<void> {
    standby.kill("SIGQUIT");
    await Promise.all([primary.stop(), exited]);
    await log.close();
    for (const guard of [primaryGuard, standbyGuard]) guard.release();
    await rm(folder, { recursive: true, force: true });
  }

  try {
    // It streams: from here on it is behind by moments.
    await until(async () => {
      const rows = await ask(port!, "SELECT FROM pg_stat_replication WHERE state = 'streaming'");
      return rows.length > 0 || undefined;
    });
  } catch (error) {
    const words = await readFile(join(standbyDir, "postgres.log"), "utf8");
    await stop();
    throw new Error(`The standby does not follow:\n${words}`, { cause: error });
  }
  return {
    url: primary.url,
    standbyPort: standbyPort!,
    standbyUrl: Object.assign(new URL(primary.url), { port: String(standbyPort) }).href,
    async administer(at, statement) {
      await ask(at === "primary" ? port! : standbyPort!, statement);
    },
    async failOver() {
      process.kill(primary.pid, "SIGKILL");
      await primary.exited;
      await ask(standbyPort!, "SELECT pg_promote(true)");
    },
    stop,
  };
}

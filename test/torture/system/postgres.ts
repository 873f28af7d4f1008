/**
 * The database server, on a port that it keeps.
 * States: running ⇄ frozen; running → crashed or stopped → (start) running.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { descendantsOf } from "../../../core/processes/process-tree.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../../standalone/embedded-postgres.ts";
import { freePorts } from "../../support/free-ports.ts";
import { guardProcess, type ProcessGuard } from "../../support/process-guard.ts";

export interface TorturedPostgres {
  /** Straight to the server. */
  url: string;
  port: number;
  /** At once: `SIGQUIT` is an immediate stop, `SIGKILL` leaves its sessions behind; resolves when it is gone. */
  crash(signal: "SIGQUIT" | "SIGKILL"): Promise<void>;
  /** Politely, sessions are ended. */
  stop(): Promise<void>;
  /** On the same port again; does nothing where it runs. */
  start(): Promise<void>;
  /** Stands still, with all of its sessions, until it is thawed. */
  freeze(): void;
  thaw(): void;
}

/** What a guarantee rests on is as an operator has it: nothing acknowledged is lost in a crash. */
const SETTINGS = {
  shared_buffers: "128MB",
  max_connections: "300",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
};

export async function startTorturedPostgres(folder: string): Promise<TorturedPostgres> {
  const dataDir = join(folder, "database");
  await mkdir(dataDir, { mode: 0o711 });
  const [port] = await freePorts(1);
  let server: EmbeddedPostgres | undefined;
  let guard: ProcessGuard | undefined;

  async function start(): Promise<void> {
    if (server) return;
    server = await startEmbeddedPostgres({ dataDir, port: port!, settings: SETTINGS });
    guard = guardProcess(server.pid, { signal: "SIGQUIT", removeFolder: folder });
  }

  /** Also takes away what its start had taken. */
  async function forget(): Promise<void> {
    await server?.stop();
    guard?.release();
    server = undefined;
  }

  function signalAll(signal: NodeJS.Signals): void {
    if (!server) return;
    for (const pid of [server.pid, ...descendantsOf(server.pid)]) {
      try {
        process.kill(pid, signal);
      } catch {
        // A session that has ended meanwhile.
      }
    }
  }

  await start();
  return {
    url: server!.url,
    port: port!,
    async crash(signal) {
      if (!server) return;
      process.kill(server.pid, signal);
      await server.exited;
      await forget();
    },
    stop: forget,
    start,
    freeze: () => signalAll("SIGSTOP"),
    thaw: () => signalAll("SIGCONT"),
  };
}

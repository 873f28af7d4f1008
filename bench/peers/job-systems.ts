/** The libraries of job queues, each with a server of its own, a process that makes jobs and one that works on them. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { freePorts } from "../../test/support/free-ports.ts";
import { openPostgres } from "../own-postgres.ts";
import type { CountedSystem } from "./costs.ts";
import { type JobProcess, startJobProcess } from "./job-process.ts";
import { withRoots } from "./own-processes.ts";

export interface JobSystem extends CountedSystem {
  name: string;
  client: JobProcess;
  /** It does not work before it is asked to. */
  worker: JobProcess;
}

export interface JobLibrary {
  name: string;
  open(opened: AsyncDisposableStack): Promise<JobSystem>;
}

async function openServer(opened: AsyncDisposableStack): Promise<{ url: string; db: pg.Pool }> {
  const postgres = await openPostgres(opened, "bellhop-bench-peer");
  const db = new pg.Pool({ connectionString: postgres.url, max: 2 });
  db.on("error", (error) => process.stderr.write(`A connection to the database broke: ${error.message}\n`));
  opened.defer(() => db.end());
  return { url: postgres.url, db };
}

/** What is acknowledged is written within a second, as its own recommendation has it. */
const REDIS_ARGS = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--bind", "127.0.0.1"];

async function openRedis(opened: AsyncDisposableStack): Promise<{ url: string }> {
  const dir = await mkdtemp(join(tmpdir(), "bellhop-bench-redis-"));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const [port] = (await freePorts(1)) as [number];
  const args = [...REDIS_ARGS, "--port", String(port), "--dir", dir];
  // A group of its own: it has to outlive a Ctrl-C until those that use it are done.
  const child = spawn("redis-server", args, { stdio: ["ignore", "ignore", "inherit"], detached: true });
  const exited = once(child, "exit");
  opened.defer(async () => {
    child.kill("SIGTERM");
    await exited;
  });
  await untilListening(port);
  return { url: `redis://127.0.0.1:${port}` };
}

export async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    const socket = connect(port, "127.0.0.1");
    const isUp = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isUp) return;
    await delay(50);
  }
  throw new Error(`Nothing listened at port ${port} within 30 s.`);
}

function libraryOf(
  name: string,
  file: string,
  openIts: (opened: AsyncDisposableStack) => Promise<{ url: string; db?: pg.Pool }>,
): JobLibrary {
  return {
    name,
    open: (opened) =>
      withRoots(async () => {
        const { url, ...server } = await openIts(opened);
        // One after the other: both would make the tables.
        const client = await startJobProcess(file, "client", url);
        opened.defer(() => client.stop());
        const worker = await startJobProcess(file, "worker", url);
        opened.defer(() => worker.stop());
        return { name, ...server, client, worker };
      }),
  };
}

export const PG_BOSS = libraryOf("pg-boss", "pg-boss", openServer);
const GRAPHILE_WORKER = libraryOf("graphile-worker", "graphile-worker", openServer);
const BULLMQ = libraryOf("BullMQ (Redis)", "bullmq", openRedis);

/** BullMQ where there is a Redis. */
export function findLibraries(tell: (line: string) => void): JobLibrary[] {
  if (spawnSync("redis-server", ["--version"]).status === 0) return [PG_BOSS, GRAPHILE_WORKER, BULLMQ];
  tell("BullMQ is left out: redis-server is not installed.");
  return [PG_BOSS, GRAPHILE_WORKER];
}

/** The two servers that tests need, in temporary folders that go away with them. */
import { access, chmod, constants, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { makeOwnFolder } from "../../core/processes/own-folder.ts";
import { startEmbeddedPostgres } from "../../standalone/embedded-postgres.ts";
import { startKafkaBroker } from "../kafka/broker.ts";
import { guardProcess } from "./process-guard.ts";

export interface TestServer {
  /** A Postgres URL that may create databases, or the broker's address. */
  address: string;
  pid: number;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

/** Nothing here needs to survive a power cut. */
const QUICK_AND_LOSSY = {
  // Its workers belong to the superuser: one in a database keeps the tests' owner from dropping it.
  autovacuum: "off",
  fsync: "off",
  full_page_writes: "off",
  max_wal_size: "256MB",
  shared_buffers: "128MB",
  max_connections: "400",
};

const MEMORY_FOLDER = "/dev/shm";
/** Many times what the databases of a few files take at once, and their log. */
const LEAST_FOLDER_BYTES = 2 * 2 ** 30;
/** The folder may be larger than what the machine or the container has left, where the roles, browsers and broker run too. */
const LEAST_MEMORY_BYTES = 6 * 2 ** 30;

export interface MemoryRoom {
  folderBytes: number;
  /** What the machine has left, or the container. */
  memoryBytes: number;
}

/**
 * For a server with many databases: each is a thousand files that come and go, and on a disk's file system a third of the
 * server's processor time goes there. BELLHOP_TEST_MEMORY=0 keeps them on the disk.
 */
export async function findQuickFolder(): Promise<string> {
  if (process.env["BELLHOP_TEST_MEMORY"] === "0") return tmpdir();
  try {
    await access(MEMORY_FOLDER, constants.R_OK | constants.W_OK);
    const { bavail, bsize } = await statfs(MEMORY_FOLDER);
    const memoryBytes = process.availableMemory();
    if (hasRoom({ folderBytes: bavail * bsize, memoryBytes })) return MEMORY_FOLDER;
  } catch {}
  return tmpdir();
}

export function hasRoom({ folderBytes, memoryBytes }: MemoryRoom): boolean {
  return folderBytes >= LEAST_FOLDER_BYTES && memoryBytes >= LEAST_MEMORY_BYTES;
}

/**
 * @param settings of the server, besides those of tests
 * @param parent of its folder
 */
export async function startTestPostgres(
  signal?: AbortSignal,
  settings: Record<string, string> = {},
  parent = tmpdir(),
): Promise<TestServer> {
  const folder = await makeFolder(parent);
  try {
    const server = await startEmbeddedPostgres({
      dataDir: folder,
      settings: { ...QUICK_AND_LOSSY, ...settings },
      ...(signal ? { signal } : {}),
    });
    return guarded(server.url, server.pid, "SIGQUIT", folder, () => server.stop());
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

export async function startTestKafka(): Promise<TestServer> {
  const folder = await makeFolder(tmpdir());
  try {
    const broker = await startKafkaBroker({ dir: folder });
    return guarded(broker.brokers, broker.pid, "SIGKILL", folder, () => broker.stop());
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What a run that was killed with its guards left in `parent` is cleared away. */
async function makeFolder(parent: string): Promise<string> {
  const folder = makeOwnFolder(parent, "bellhop-test");
  // Started by root, the database server is another user, who has to come in.
  await chmod(folder, 0o711);
  return folder;
}

function guarded(
  address: string,
  pid: number,
  signal: NodeJS.Signals,
  folder: string,
  end: () => Promise<void>,
): TestServer {
  const guard = guardProcess(pid, { signal, removeFolder: folder });
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await end();
    guard.release();
    await rm(folder, { recursive: true, force: true });
  };
  return { address, pid, stop: () => (stopping ??= stop()) };
}

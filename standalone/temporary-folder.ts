/**
 * Data folders of one start alone, as `bellhop dev` has them: they go with their start. Where that was killed, the next one
 * removes what it left, and ends the database server that still runs in it.
 */
import { lstat, readdir, realpath, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { isDataFolderLocked } from "./data-folder-lock.ts";
import { stopOrphan } from "./embedded-postgres.ts";

/** What the names of such folders begin with. */
const PREFIX = "bellhop-dev-";
/** A folder that nobody has locked may be that of a start that has only begun. */
const UNLOCKED_FOR_MS = 3_600_000;

export const removeFolder = (folder: string) =>
  // A server that is still ending may write a last file.
  rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });

/** What a start did not make itself it must not remove. Rejects with a sentence. */
export async function refuseFilledFolder(dataDir: string): Promise<void> {
  const names = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (names.length === 0) return;
  throw new Error(
    `The data folder ${dataDir} is not empty, and --temporary would remove it in the end. ` +
      "Set BELLHOP_DATA_DIR to a new folder, or leave --temporary out.",
  );
}

/** Those beside `dataDir` that are this user's and whose start is gone. */
export async function removeLeftFolders(dataDir: string, onLog: (line: string) => void): Promise<void> {
  const parent = await realpath(dirname(dataDir));
  for (const name of await readdir(parent)) {
    const folder = join(parent, name);
    if (!name.startsWith(PREFIX) || name === basename(dataDir)) continue;
    try {
      if (!(await isLeft(folder))) continue;
      await stopOrphan(join(folder, "postgres"), onLog);
      await removeFolder(folder);
    } catch (error) {
      onLog(`${folder} is left of an earlier session, and cannot be removed: ${messageOf(error)}`);
    }
  }
}

/** The folder for temporary files is everybody's: only one's own are looked into. */
async function isLeft(folder: string): Promise<boolean> {
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return false;
  const isLocked = await isDataFolderLocked(folder);
  return isLocked === undefined ? Date.now() - found.mtimeMs > UNLOCKED_FOR_MS : !isLocked;
}

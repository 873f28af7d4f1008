/** Keys that are made once and kept in the data folder, where only its owner reads. */
import { type FileHandle, open, writeFile } from "node:fs/promises";
import { BellhopError, messageOf } from "../core/errors.ts";

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;

/**
 * What stands in the file; undefined where there is none. One that others may read, as a copy or a backup may leave it,
 * is their business no more from here on; `invalid_setting` where that cannot be had.
 */
export async function readKey(path: string): Promise<string | undefined> {
  const file = await openIfThere(path);
  if (!file) return undefined;
  try {
    await shutOut(file, path);
    // Empty after a crash in the middle of its making: then nobody has it yet.
    return (await file.readFile("utf8")).trim() || undefined;
  } finally {
    await file.close();
  }
}

/** Writes the key there for its owner alone. */
export async function keepKey(path: string, key: string): Promise<string> {
  await writeFile(path, `${key}\n`, { mode: OWNER_ONLY });
  return key;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
}

async function shutOut(file: FileHandle, path: string): Promise<void> {
  const { mode } = await file.stat();
  // Windows has no such bits, and shows them as set.
  if ((mode & OTHERS) === 0 || process.platform === "win32") return;
  try {
    await file.chmod(OWNER_ONLY);
  } catch (error) {
    const message = `${path} holds a key and may be read by others, and that could not be changed (${messageOf(error)}). Make it its owner's alone: chmod 600 ${path}`;
    throw new BellhopError("invalid_setting", 500, message);
  }
}

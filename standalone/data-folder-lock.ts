/**
 * One live Bellhop per data folder. States of the lock file: absent; held (its process lives); stale (the process
 * died without removing it, or its pid belongs to another process by now), which the next start replaces.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startMarkOf } from "./process-identity.ts";

interface Holder {
  pid: number;
  startMark: string;
}

/** Takes the folder for this process; rejects with a sentence while another live process has it. */
export async function lockDataFolder(dataDir: string): Promise<{ release(): Promise<void> }> {
  const path = join(dataDir, "bellhop.lock");
  const self: Holder = { pid: process.pid, startMark: startMarkOf(process.pid) ?? "" };
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      await writeFile(path, JSON.stringify(self), { flag: "wx", mode: 0o644 });
      return { release: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await readHolder(path);
    if (holder && startMarkOf(holder.pid) === holder.startMark) {
      throw new Error(
        `Bellhop already runs on the data folder ${dataDir} (process ${holder.pid}). ` +
          "Stop that one first, or set BELLHOP_DATA_DIR to another folder.",
      );
    }
    await rm(path, { force: true });
  }
  throw new Error(`The lock ${path} keeps changing: several starts are at it at once. Try again.`);
}

/** Undefined: there is no lock. */
export async function isDataFolderLocked(dataDir: string): Promise<boolean | undefined> {
  const holder = await readHolder(join(dataDir, "bellhop.lock"));
  return holder && startMarkOf(holder.pid) === holder.startMark;
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await readFile(path, "utf8")) as Partial<Holder>;
    if (typeof holder.pid !== "number" || typeof holder.startMark !== "string") return undefined;
    return { pid: holder.pid, startMark: holder.startMark };
  } catch {
    return undefined;
  }
}

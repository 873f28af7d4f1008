/** Tells when something is saved below a folder. Packages, what is hidden and what tools make are nobody's saving. */
import { type FSWatcher, watch } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** An editor writes in several steps; the last one counts. */
const SETTLE_MS = 40;
const MAX_FOLDERS = 1000;
const PASSED_OVER = /^(\..*|node_modules|dist|build|coverage)$/;

export interface Watching {
  close(): void;
}

export async function watchFolders(root: string, onSave: () => void): Promise<Watching> {
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function watchNew(): Promise<void> {
    for (const folder of await listFolders(root)) {
      if (isClosed || watchers.has(folder)) continue;
      // Removed since it was listed, or too many: the others are watched.
      try {
        const watcher = watch(folder, (_event, name) => {
          if (name === null || !PASSED_OVER.test(name)) settle();
        });
        watcher.on("error", () => {
          watcher.close();
          watchers.delete(folder);
        });
        watchers.set(folder, watcher);
      } catch {}
    }
  }

  function settle(): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      void watchNew();
      onSave();
    }, SETTLE_MS);
  }

  await watchNew();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

/** The folder itself first. */
async function listFolders(root: string): Promise<string[]> {
  const folders = [root];
  for (let at = 0; at < folders.length && folders.length < MAX_FOLDERS; at += 1) {
    const found = await readdir(folders[at]!, { withFileTypes: true }).catch(() => []);
    for (const each of found)
      if (each.isDirectory() && !PASSED_OVER.test(each.name)) folders.push(join(folders[at]!, each.name));
  }
  return folders.slice(0, MAX_FOLDERS);
}

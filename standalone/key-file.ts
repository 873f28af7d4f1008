import { readFile, writeFile } from "node:fs/promises";

/** What stands in the file; undefined where there is none. */
export async function readKey(path: string): Promise<string | undefined> {
  try {
    // Empty after a crash in the middle of its making: then nobody has it yet.
    return (await readFile(path, "utf8")).trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  }
}

/** Writes the key there for its owner alone. */
export async function keepKey(path: string, key: string): Promise<string> {
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return key;
}

import { readFile, writeFile } from "node:fs/promises";

/** What stands in the file, or is made and written there for its owner alone. */
export async function readOrMakeKey(path: string, make: () => string): Promise<string> {
  try {
    const kept = (await readFile(path, "utf8")).trim();
    // Empty after a crash in the middle of its making: then nobody has it yet.
    if (kept !== "") return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const key = make();
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return key;
}

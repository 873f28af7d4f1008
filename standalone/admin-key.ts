/** The administrator's key of this data folder: given by the setting, or made once and kept where only its owner reads. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateKey } from "../core/store/keys.ts";

export async function readAdminKey(dataDir: string, given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const path = join(dataDir, "api-key");
  try {
    const kept = (await readFile(path, "utf8")).trim();
    // Empty after a crash in the middle of its making: then nobody has it yet.
    if (kept !== "") return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const key = generateKey();
  await writeFile(path, `${key}\n`, { mode: 0o600 });
  return key;
}

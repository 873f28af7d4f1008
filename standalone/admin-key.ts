/** The administrator's key of this data folder: given by the setting, or made once and kept where only its owner reads. */
import { join } from "node:path";
import { generateKey } from "../core/store/keys.ts";
import { keepKey, readKey } from "./key-file.ts";

export async function readAdminKey(dataDir: string, given: string | undefined): Promise<string> {
  const path = join(dataDir, "api-key");
  return given ?? (await readKey(path)) ?? (await keepKey(path, generateKey()));
}

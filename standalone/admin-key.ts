/** The administrator's key of this data folder: given by the setting, or made once and kept where only its owner reads. */
import { join } from "node:path";
import { generateKey } from "../core/store/keys.ts";
import { readOrMakeKey } from "./key-file.ts";

export async function readAdminKey(dataDir: string, given: string | undefined): Promise<string> {
  return given ?? (await readOrMakeKey(join(dataDir, "api-key"), generateKey));
}

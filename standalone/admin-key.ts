/** The operator's keys of this data folder: given by the setting, or one that is made once and kept where only its owner reads. */
import { join } from "node:path";
import { generateKey } from "../core/store/keys.ts";
import { keepKey, readKey } from "./key-file.ts";

export async function readAdminKeys(dataDir: string, given: string[]): Promise<[string, ...string[]]> {
  const [first, ...more] = given;
  if (first !== undefined) return [first, ...more];
  const path = join(dataDir, "api-key");
  return [(await readKey(path)) ?? (await keepKey(path, generateKey()))];
}

/** The key that seals secrets in this data folder: given by the setting, or made once and kept where only its owner reads. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readOrMakeKey } from "./key-file.ts";

export async function readSecretsKey(dataDir: string, given: string | undefined): Promise<string> {
  return (
    given ?? (await readOrMakeKey(join(dataDir, "secrets-key"), () => randomBytes(32).toString("base64")))
  );
}

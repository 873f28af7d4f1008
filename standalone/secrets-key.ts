/**
 * The key that seals secrets in this data folder: given by the setting, or made once and kept where only its owner
 * reads. It is made where nothing is sealed yet and never in place of one that is gone.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { BellhopError, messageOf } from "../core/errors.ts";
import { parseSecretKeys } from "../core/secrets/sealer.ts";
import type { QueryScope } from "../core/store/database.ts";
import { demandSecretsKey, type KeyPlace } from "../core/store/secrets-key.ts";
import { keepKey, readKey } from "./key-file.ts";

/** Throws `invalid_setting`, with what to do, where there are secrets that the key does not open. */
export async function chooseSecretsKey(
  scope: QueryScope,
  dataDir: string,
  given: string | undefined,
): Promise<string> {
  const key = given ?? (await readSecretsKey(dataDir));
  const place = given === undefined ? placeOf(dataDir) : undefined;
  await demandSecretsKey(scope, key === undefined ? undefined : parseSecretKeys(key), place);
  return key ?? (await keepKey(pathOf(dataDir), randomBytes(32).toString("base64")));
}

/** The data folder's; undefined where it has none yet. Throws `invalid_setting` where the file holds something else. */
export async function readSecretsKey(dataDir: string): Promise<string | undefined> {
  const path = pathOf(dataDir);
  const key = await readKey(path);
  try {
    if (key !== undefined) parseSecretKeys(key);
  } catch (error) {
    throw new BellhopError("invalid_setting", 500, `${path} ${messageOf(error)}. ${RESTORE}`);
  }
  return key;
}

const RESTORE = "Put the file back from a backup of the data folder, or set BELLHOP_SECRETS_KEY to its key.";

function placeOf(dataDir: string): KeyPlace {
  return { name: pathOf(dataDir), isMissing: "is not there", restore: RESTORE };
}

const pathOf = (dataDir: string) => join(dataDir, "secrets-key");

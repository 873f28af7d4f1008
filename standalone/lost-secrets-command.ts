/** `npm run lost-secrets`: what no key opens any more, or soon will not, of the database that DATABASE_URL names or of the data folder's. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readSettings } from "../core/config/settings.ts";
import { messageOf } from "../core/errors.ts";
import { parseSecretKeys } from "../core/secrets/sealer.ts";
import type { QueryScope } from "../core/store/database.ts";
import { resealSecrets } from "../core/store/reseal-secrets.ts";
import { listLostSecrets, removeLostSecrets } from "../core/store/secrets-key.ts";
import { withStore } from "./brief-store.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";
import { readSecretsKey } from "./secrets-key.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const HELP = `npm run lost-secrets              list the secrets that BELLHOP_SECRETS_KEY does not open
npm run lost-secrets -- remove    remove them, for good: the key that stays has to be there
npm run lost-secrets -- remove-all  remove every secret: no key is left
npm run lost-secrets -- reseal    seal all by the first key of BELLHOP_SECRETS_KEY=new,old: the old one can then be left out

Of the database of DATABASE_URL; without it, of npm start's in BELLHOP_DATA_DIR, which is to be stopped.
`;

type Action = (typeof ACTIONS)[number] | undefined;
const ACTIONS = ["remove", "remove-all", "reseal"] as const;

const isAction = (given: string | undefined): given is Action =>
  given === undefined || ACTIONS.some((action) => action === given);

const print = (line: string) => process.stdout.write(`${line}\n`);

async function reseal(scope: QueryScope, keys: readonly Buffer[] | undefined) {
  if (keys === undefined)
    throw new Error(
      "No key is set. Set BELLHOP_SECRETS_KEY to new,old: the first key seals, all of them open.",
    );
  print(`Sealed by the first key: ${await resealSecrets(scope, keys)}.`);
}

async function report(scope: QueryScope, keys: readonly Buffer[] | undefined, action: Action) {
  if (action === "reseal") return await reseal(scope, keys);
  // Without a key none can be opened: whoever forgot to set it would remove them all.
  if (action === "remove" && keys === undefined)
    throw new Error(
      "No key is set, so nothing was removed. Set BELLHOP_SECRETS_KEY to the key that stays; where none is left, remove-all removes every secret.",
    );
  const lost = await listLostSecrets(scope, action === "remove-all" ? undefined : keys);
  for (const { namespace, function: owner, name } of lost)
    print(`${name}, of ${owner === null ? "" : `the function ${owner} in `}the namespace ${namespace}`);
  if (lost.length === 0) print("Every secret can be opened.");
  else if (action === "remove") print(`Removed: ${await removeLostSecrets(scope, keys)}. Write them again.`);
  else if (action === "remove-all")
    print(`Removed: ${await removeLostSecrets(scope, undefined)}. Write them again.`);
  else
    print(
      "Nothing was removed. With the key back they can be opened; npm run lost-secrets -- remove removes them.",
    );
}

async function main(action: string | undefined): Promise<void> {
  if (!isAction(action)) {
    process.stdout.write(HELP);
    process.exitCode = action === "--help" ? 0 : 1;
    return;
  }
  const { BELLHOP_SECRETS_KEY: given, BELLHOP_DATA_DIR } = readSettings(
    ["BELLHOP_SECRETS_KEY", "BELLHOP_DATA_DIR"],
    process.env,
  );
  if (process.env["DATABASE_URL"]?.trim()) {
    const { DATABASE_URL } = readSettings(["DATABASE_URL"], process.env);
    return await withStore(DATABASE_URL, (store) => report(store, given, action));
  }
  const dataDir = resolve(ROOT, BELLHOP_DATA_DIR);
  if (!existsSync(join(dataDir, "postgres"))) throw new Error(`There is no database in ${dataDir}.`);
  const kept = given ? undefined : await readSecretsKey(dataDir);
  const keys = given ?? (kept === undefined ? undefined : parseSecretKeys(kept));
  const postgres = await startEmbeddedPostgres({ dataDir, onLog: print });
  try {
    await withStore(postgres.url, (store) => report(store, keys, action));
  } finally {
    await postgres.stop();
  }
}

try {
  await main(process.argv[2]);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}

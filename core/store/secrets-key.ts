/** Whether the key that a role was given opens what is sealed: known at its start, not at a function's run. */
import { BellhopError } from "../errors.ts";
import { sealMarks } from "../secrets/sealer.ts";
import type { QueryScope } from "./database.ts";

type Keys = readonly Buffer[] | undefined;

/** In a message: where the key comes from, and how it gets there again. */
export interface KeyPlace {
  name: string;
  /** What follows the name where there is no key. */
  isMissing: string;
  restore: string;
}

const SETTING: KeyPlace = {
  name: "BELLHOP_SECRETS_KEY",
  isMissing: "is not set",
  restore: "Set it to the key they were sealed with (new,old while it is being changed).",
};

/** Throws `invalid_setting`, with what to do, where secrets are sealed that none of the keys opens. */
export async function demandSecretsKey(
  scope: QueryScope,
  keys: Keys,
  { name, isMissing, restore }: KeyPlace = SETTING,
): Promise<void> {
  const { rows } = await scope.pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM ${SEALED} WHERE ${IS_LOST}`,
    [marksOf(keys)],
  );
  const { count } = rows[0]!;
  if (count === 0) return;
  const secrets = count === 1 ? "1 secret" : `${count} secrets`;
  const fault = keys
    ? `${name} does not open ${secrets} of the database, sealed with another key.`
    : `${name} ${isMissing}, and the database holds ${secrets} sealed with a key.`;
  throw new BellhopError(
    "invalid_setting",
    500,
    `${fault} ${restore} Where that key is lost, so is what it sealed: npm run lost-secrets lists it and can remove it, to be written again.`,
  );
}

export interface LostSecret {
  namespace: string;
  /** Null: the namespace's own. */
  function: string | null;
  name: string;
}

/** Those that none of the keys opens, in the order of their names. */
export async function listLostSecrets(scope: QueryScope, keys: Keys): Promise<LostSecret[]> {
  const { rows } = await scope.pool.query<LostSecret>(
    `SELECT n.name AS namespace, f.name AS function, sealed.name
     FROM ${SEALED} JOIN namespaces n ON n.id = namespace_id LEFT JOIN functions f ON f.id = function_id
     WHERE ${IS_LOST} ORDER BY n.name, f.name NULLS FIRST, sealed.name`,
    [marksOf(keys)],
  );
  return rows;
}

/** Removes those that none of the keys opens; how many. Another signing secret is made when one is needed. */
export async function removeLostSecrets(scope: QueryScope, keys: Keys): Promise<number> {
  const { rows } = await scope.pool.query<{ count: number }>(
    `WITH own AS (DELETE FROM secrets WHERE ${IS_LOST} RETURNING 1),
       signing AS (DELETE FROM signing_secrets WHERE ${IS_LOST} RETURNING 1)
     SELECT ((SELECT count(*) FROM own) + (SELECT count(*) FROM signing))::int AS count`,
    [marksOf(keys)],
  );
  return rows[0]!.count;
}

/** Everything that is sealed, by names; a signing secret's is none that a secret could be given. */
const SEALED = `(
    SELECT namespace_id, function_id, name, sealed FROM secrets
    UNION ALL
    SELECT namespace_id, NULL, 'signing secret ' || number, sealed FROM signing_secrets
  ) AS sealed`;

/** Only a secret's first bytes are read. */
const IS_LOST = "substr(sealed, 1, 5) <> ALL($1::bytea[])";

const marksOf = (keys: Keys): Buffer[] => sealMarks(keys ?? []);

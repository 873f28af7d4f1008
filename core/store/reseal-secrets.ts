/** At a change of keys: what an older key sealed is sealed by the newest, so that the older one can be left out. */
import { createSealer, type SecretPlace, sealMarks } from "../secrets/sealer.ts";
import type { QueryScope } from "./database.ts";
import { placeOfSigningSecret } from "./signing-secrets.ts";

// Only a secret's first bytes are read.
const IS_OLDER = "substr(sealed, 1, 5) <> $1";

const FIND_NAMESPACES = `
  SELECT namespace_id AS id FROM secrets WHERE ${IS_OLDER}
  UNION SELECT namespace_id FROM signing_secrets WHERE ${IS_OLDER}`;

const FIND_OLDER = `
  SELECT function_id AS "functionId", name, NULL AS number, sealed FROM secrets
  WHERE ${IS_OLDER} AND namespace_id = $2
  UNION ALL
  SELECT NULL, NULL, number, sealed FROM signing_secrets WHERE ${IS_OLDER} AND namespace_id = $2`;

// What somebody wrote meanwhile stays.
const SAVE = `UPDATE secrets SET sealed = $2
  WHERE sealed = $1 AND namespace_id = $3 AND function_id IS NOT DISTINCT FROM $4 AND name = $5`;
const SAVE_SIGNING = `UPDATE signing_secrets SET sealed = $2
  WHERE sealed = $1 AND namespace_id = $3 AND number = $4`;

type OlderRow = { sealed: Buffer } & (
  | { number: number }
  | { number: null; functionId: string | null; name: string }
);

/**
 * Seals by the first of the keys what another one of them sealed, one namespace after the other; how many. Throws where
 * none of them opens one: what was sealed anew until then stays so, and the rest as it was.
 */
export async function resealSecrets({ pool }: QueryScope, keys: readonly Buffer[]): Promise<number> {
  const sealer = createSealer(keys);
  const [mark] = sealMarks(keys);
  const seal = (place: SecretPlace, sealed: Buffer) => [
    sealed,
    sealer.seal(place, sealer.open(place, sealed)),
  ];

  async function save(namespaceId: string, row: OlderRow): Promise<number> {
    if (row.number !== null) {
      const sealed = seal(placeOfSigningSecret(namespaceId, row.number), row.sealed);
      return (await pool.query(SAVE_SIGNING, [...sealed, namespaceId, row.number])).rowCount ?? 0;
    }
    const { functionId, name } = row;
    const sealed = seal({ namespaceId, functionId, name }, row.sealed);
    return (await pool.query(SAVE, [...sealed, namespaceId, functionId, name])).rowCount ?? 0;
  }

  let count = 0;
  const { rows: namespaces } = await pool.query<{ id: string }>(FIND_NAMESPACES, [mark]);
  for (const { id } of namespaces) {
    const { rows } = await pool.query<OlderRow>(FIND_OLDER, [mark, id]);
    for (const row of rows) count += await save(id, row);
  }
  return count;
}

/** Sealed secrets, of functions and of whole namespaces, and the environment they make. */
import type { SealedSecret } from "../secrets/open-secrets.ts";
import type { SecretPlace } from "../secrets/sealer.ts";
import type { QueryScope, Store } from "./database.ts";

/** Of one function, or of one namespace. */
export const MAX_SECRETS = 100;
/** Together, sealed: every run carries them. */
export const MAX_SECRET_BYTES = 131_072;

export interface SecretName {
  name: string;
  createdAt: Date;
  updatedAt: Date;
}

const PUT = `
  INSERT INTO secrets (namespace_id, function_id, name, sealed)
  SELECT $1, $2, $3, $4
  FROM (SELECT count(*) AS count, coalesce(sum(length(sealed)), 0) AS bytes FROM secrets
    WHERE namespace_id = $1 AND function_id IS NOT DISTINCT FROM $2::uuid AND name <> $3) AS others
  WHERE others.count < $5 AND others.bytes + length($4::bytea) <= $6
  ON CONFLICT (namespace_id, function_id, name) DO UPDATE SET sealed = excluded.sealed, updated_at = now()
  RETURNING name, created_at AS "createdAt", updated_at AS "updatedAt", xmax = 0 AS created`;

/** Undefined where there are MAX_SECRETS others, or all would take more than MAX_SECRET_BYTES. */
export async function putSecret(
  store: Store,
  { namespaceId, functionId, name }: SecretPlace,
  sealed: Buffer,
): Promise<(SecretName & { created: boolean }) | undefined> {
  const { rows } = await store.pool.query<SecretName & { created: boolean }>(PUT, [
    ...[namespaceId, functionId, name, sealed, MAX_SECRETS, MAX_SECRET_BYTES],
  ]);
  return rows[0];
}

export async function listSecrets(
  store: Store,
  namespaceId: string,
  functionId: string | null,
): Promise<SecretName[]> {
  const { rows } = await store.pool.query<SecretName>(
    `SELECT name, created_at AS "createdAt", updated_at AS "updatedAt" FROM secrets
     WHERE namespace_id = $1 AND function_id IS NOT DISTINCT FROM $2::uuid ORDER BY name`,
    [namespaceId, functionId],
  );
  return rows;
}

export async function deleteSecret(
  store: Store,
  { namespaceId, functionId, name }: SecretPlace,
): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    "DELETE FROM secrets WHERE namespace_id = $1 AND function_id IS NOT DISTINCT FROM $2::uuid AND name = $3",
    [namespaceId, functionId, name],
  );
  return rowCount === 1;
}

/** Those of the names that secrets of the namespace itself have. */
export async function findSecretNames(
  { pool }: QueryScope,
  namespaceId: string,
  names: string[],
): Promise<Set<string>> {
  const { rows } = await pool.query<{ name: string }>({
    name: "find-secret-names",
    text: "SELECT name FROM secrets WHERE namespace_id = $1 AND function_id IS NULL AND name = ANY($2)",
    values: [namespaceId, names],
  });
  return new Set(rows.map(({ name }) => name));
}

/** Those of the names that the namespace itself has, sealed. */
export async function loadNamedSecrets(
  { pool }: QueryScope,
  namespaceId: string,
  names: string[],
): Promise<SealedSecret[]> {
  const { rows } = await pool.query<SealedSecret>({
    name: "load-named-secrets",
    text: `SELECT namespace_id AS "namespaceId", function_id AS "functionId", name, sealed
      FROM secrets WHERE namespace_id = $1 AND function_id IS NULL AND name = ANY($2)`,
    values: [namespaceId, names],
  });
  return rows;
}

/** All of the namespace itself, sealed. */
export async function loadNamespaceSecrets(
  { pool }: QueryScope,
  namespaceId: string,
): Promise<SealedSecret[]> {
  const { rows } = await pool.query<SealedSecret>({
    name: "load-namespace-secrets",
    text: `SELECT namespace_id AS "namespaceId", function_id AS "functionId", name, sealed
      FROM secrets WHERE namespace_id = $1 AND function_id IS NULL`,
    values: [namespaceId],
  });
  return rows;
}

export interface SealedEnv {
  functionId: string;
  env: Record<string, string>;
  /** The namespace's first. */
  secrets: SealedSecret[];
}

/** What a run of the revision finds in its environment, still sealed; undefined where there is no such revision. */
export async function loadSealedEnv(
  scope: Pick<QueryScope, "pool">,
  revisionId: string,
): Promise<SealedEnv | undefined> {
  return (await loadSealedEnvs(scope, [revisionId])).get(revisionId);
}

/** The same of several, by revision; without those that are not there. */
export async function loadSealedEnvs(
  { pool }: Pick<QueryScope, "pool">,
  revisionIds: string[],
): Promise<Map<string, SealedEnv>> {
  const { rows } = await pool.query<{
    revisionId: string;
    env: Record<string, string>;
    ofFunction: string;
    namespaceId: string;
    functionId: string | null;
    name: string | null;
    sealed: Buffer;
  }>({
    name: "load-envs",
    text: `SELECT r.id AS "revisionId", coalesce(r.env, f.env) AS env, f.id AS "ofFunction",
        f.namespace_id AS "namespaceId", s.function_id AS "functionId", s.name, s.sealed
      FROM function_revisions r JOIN functions f ON f.id = r.function_id
        LEFT JOIN secrets s ON s.namespace_id = f.namespace_id AND (s.function_id IS NULL OR s.function_id = f.id)
      WHERE r.id = ANY($1::uuid[]) ORDER BY s.function_id NULLS FIRST, s.name`,
    values: [revisionIds],
  });
  const envs = new Map<string, SealedEnv>();
  for (const { revisionId, env, ofFunction, namespaceId, functionId, name, sealed } of rows) {
    let known = envs.get(revisionId);
    if (!known) {
      known = { functionId: ofFunction, env, secrets: [] };
      envs.set(revisionId, known);
    }
    if (name !== null) known.secrets.push({ namespaceId, functionId, name, sealed });
  }
  return envs;
}

import { type FoundSecrets, findBodySecrets, findSecrets } from "../../core/domain/secrets-in-spec.ts";
import type { TaskSpec } from "../../core/domain/task-spec.ts";
import { BellhopError, type FieldError, invalidField } from "../../core/errors.ts";
import type { Json } from "../../core/json.ts";
import type { JsonSource } from "../../core/json-source.ts";
import type { QueryScope } from "../../core/store/database.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { findSecretNames } from "../../core/store/secrets.ts";
import { demandScope } from "../auth/scopes.ts";

/** Refuses a task that names secrets which the namespace does not have: 422 `unknown_secret`. */
export async function requireSecrets(scope: QueryScope, namespaceId: string, spec: TaskSpec): Promise<void> {
  if (!("secretsIn" in spec)) return;
  await requireKnown(scope, namespaceId, findSecrets(spec).mentions);
}

/**
 * The same of a body that a run of an http task is given in place of its task's. To name a secret takes the scope
 * `write`: who may only run a task sends no secrets anywhere.
 * @param field the body's name in the request
 * @returns whether secrets are put into it
 */
export async function requireBodySecrets(
  scope: QueryScope,
  owner: KeyOwner,
  body: Json | JsonSource,
  field: string,
): Promise<boolean> {
  const { mentions, fields, faults } = findBodySecrets(body);
  if (faults[0]) throw invalidField(field, faults[0].message);
  if (mentions.length > 0) demandScope(owner, "write");
  const named = mentions.map(({ name }) => ({ path: [field], name }));
  await requireKnown(scope, owner.namespaceId, named);
  return fields !== undefined;
}

/** Refuses mentions of secrets that the namespace does not have. */
export async function requireKnown(
  scope: QueryScope,
  namespaceId: string,
  mentions: FoundSecrets["mentions"],
): Promise<void> {
  if (mentions.length === 0) return;
  const known = await findSecretNames(scope, namespaceId, [...new Set(mentions.map(({ name }) => name))]);
  const errors = mentions.flatMap(({ path, name }): FieldError[] =>
    known.has(name)
      ? []
      : [{ field: path.join("."), message: `there is no secret ${JSON.stringify(name)} in this namespace` }],
  );
  if (errors.length === 0) return;
  const detail = errors.map(({ field, message }) => `${field}: ${message}`).join("; ");
  throw new BellhopError("unknown_secret", 422, detail, errors);
}

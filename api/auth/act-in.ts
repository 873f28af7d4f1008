/**
 * In which namespace a request acts: its key's own, or, where the key is an operator's or a token is granted several, the one
 * that it names.
 */
import { isOperator } from "../../core/domain/scopes.ts";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import { namespaceClosed } from "../../core/store/namespaces.ts";
import type { Keyring } from "./keyring.ts";

const OWN_ALONE = "This key acts only in its own namespace: leave Bellhop-Namespace out.";
const FIRST_MISSING =
  "The first namespace that this token is granted does not exist: name another of them in Bellhop-Namespace, or in the console's address (/console/@name).";
const NOT_GRANTED = "This token is granted nothing in the namespace that Bellhop-Namespace names.";

export const NAMESPACE_HEADER = "bellhop-namespace";

/** What the caller may do there; undefined: nothing. */
export function scopesIn({ namespace, scopes, token }: KeyOwner, name: string): string[] | undefined {
  if (name === namespace || isOperator(scopes)) return scopes;
  const granted = token?.grants.find((grant) => grant.namespace === name);
  return granted && [...granted.scopes];
}

/**
 * 403 where the key may not act there, whether there is such a namespace or not. Whoever may is told: 404 where there is
 * none, 409 where it is being deleted.
 */
export async function actIn(
  keyring: Pick<Keyring, "findNamespace">,
  owner: KeyOwner,
  name: string | undefined,
): Promise<KeyOwner> {
  // Nothing that was meant for one namespace is done in the next.
  if (name === undefined && owner.token && owner.token.grants[0]!.namespace !== owner.namespace)
    throw new BellhopError("forbidden", 403, FIRST_MISSING);
  if (name === undefined || name === owner.namespace) return owner;
  const scopes = scopesIn(owner, name);
  if (!scopes) throw new BellhopError("forbidden", 403, owner.token ? NOT_GRANTED : OWN_ALONE);
  const namespace = await keyring.findNamespace(name);
  if (!namespace) throw new BellhopError("not_found", 404, `There is no namespace ${JSON.stringify(name)}.`);
  if (namespace.closedAt) throw namespaceClosed(name);
  const { id: namespaceId, limits } = namespace;
  return { ...owner, namespaceId, namespace: namespace.name, limits, scopes };
}

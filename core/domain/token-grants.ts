/** What a token of an OpenID provider opens: decided by its claims and the operator's mapping. What nothing maps is not granted. */
import type { Json, JsonObject } from "../json.ts";
import { isOperator, SCOPES, type Scope } from "./scopes.ts";

export interface TokenRule {
  /** Claim → value: a token that has all of them is granted the scopes. */
  claims: Record<string, string>;
  namespace: string;
  scopes: readonly Scope[];
}

export interface TokenMapping {
  rules: readonly TokenRule[];
  /** The claims in which a token itself names its namespaces and its scopes; undefined: in none. */
  ownClaims: { namespace: string; scopes: string } | undefined;
}

export interface NamespaceGrant {
  namespace: string;
  scopes: readonly Scope[];
}

/** Of a token that names them itself. */
const MAX_OWN_NAMESPACES = 20;
const NAMESPACE_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** In these a string is a list with spaces between its items (RFC 8693; `scp` is how Microsoft Entra and Okta write it). */
const SPACED_LISTS: ReadonlySet<string> = new Set(["scope", "scp"]);

/** In the mapping's order, each namespace once. An operator's is the only one: it is for all namespaces. */
export function findGrants(claims: JsonObject, { rules, ownClaims }: TokenMapping): NamespaceGrant[] {
  const granted = new Map<string, Set<Scope>>();
  const grant = (namespace: string, scopes: readonly Scope[]) =>
    granted.set(namespace, new Set([...(granted.get(namespace) ?? []), ...scopes]));
  for (const { claims: wanted, namespace, scopes } of rules)
    if (hasAll(claims, wanted)) grant(namespace, scopes);
  if (ownClaims) {
    const scopes = ownScopes(valuesOf(claims, ownClaims.scopes));
    const namespaces = valuesOf(claims, ownClaims.namespace).filter((name) => NAMESPACE_NAME.test(name));
    if (scopes.length > 0)
      for (const namespace of namespaces.slice(0, MAX_OWN_NAMESPACES)) grant(namespace, scopes);
  }
  const grants = [...granted].map(([namespace, scopes]) => ({ namespace, scopes: [...scopes] }));
  const operator = grants.find(({ scopes }) => isOperator(scopes));
  return operator ? [{ namespace: operator.namespace, scopes: ["operator"] }] : grants;
}

const hasAll = (claims: JsonObject, wanted: Record<string, string>): boolean =>
  Object.entries(wanted).every(([name, value]) => valuesOf(claims, name).includes(value));

/** `operator` is a rule's to give: which scopes a token has may be its bearer's choice. */
const ownScopes = (values: readonly string[]): Scope[] =>
  SCOPES.filter((scope) => scope !== "operator" && values.includes(scope));

/** The strings of a claim: itself, or the items of a list. What is nothing of the kind has none. */
function valuesOf(claims: JsonObject, name: string): string[] {
  const value = findClaim(claims, name);
  if (typeof value === "string") return SPACED_LISTS.has(name) ? value.split(" ") : [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** By its name, or, where that begins with a slash, by a JSON Pointer (RFC 6901): `/realm_access/roles`. */
function findClaim(claims: JsonObject, name: string): Json | undefined {
  const path = name.startsWith("/")
    ? name
        .slice(1)
        .split("/")
        .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    : [name];
  let found: Json | undefined = claims;
  for (const part of path) {
    if (typeof found !== "object" || found === null || Array.isArray(found)) return undefined;
    found = Object.hasOwn(found, part) ? found[part] : undefined;
  }
  return found;
}

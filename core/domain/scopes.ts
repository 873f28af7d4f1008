/** What keys may do. */

export const SCOPES = ["read", "write", "deploy", "invoke", "admin", "operator"] as const;
/**
 * `read`, `write`, `deploy` and `invoke` are what they say; `admin` is all of them, and manages keys; `operator` is all of
 * that in every namespace.
 */
export type Scope = (typeof SCOPES)[number];

export const isOperator = (scopes: readonly string[]): boolean => scopes.includes("operator");

/** Whether who has `scopes` may do what `scope` is for. */
export function grants(scopes: readonly string[], scope: Scope): boolean {
  if (scopes.includes(scope) || isOperator(scopes)) return true;
  return scope !== "operator" && scopes.includes("admin");
}

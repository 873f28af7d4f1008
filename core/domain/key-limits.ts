/** Nobody makes a key, or gets the secret of one, that may do more than his own, or for longer. */
import type { FieldError } from "../errors.ts";
import { grants, SCOPES, type Scope } from "./scopes.ts";

export interface KeyPowers {
  scopes: readonly string[];
  /** Null: it does not expire. */
  expiresAt: Date | null;
}

/** What `wanted` has beyond `own`; undefined: nothing. */
export function findBeyond(own: KeyPowers, wanted: KeyPowers): FieldError | undefined {
  const lacking = wanted.scopes.filter((scope) => !grants(own.scopes, toScope(scope)));
  if (lacking.length > 0) return { field: "scopes", message: `your own key lacks ${lacking.join(", ")}` };
  const { expiresAt } = own;
  if (expiresAt && (!wanted.expiresAt || wanted.expiresAt > expiresAt))
    return { field: "expiresAt", message: `is later than that of your own key, ${expiresAt.toISOString()}` };
  return undefined;
}

/** What an unknown one of a later release is for is unknown: it takes an operator. */
const toScope = (scope: string): Scope => SCOPES.find((known) => known === scope) ?? "operator";

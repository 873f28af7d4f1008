/** What a key may do, and to what: its scopes, and the functions that it is for. */
import { grants, type Scope } from "../../core/domain/scopes.ts";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";

export type { Scope };

/** What every valid key may. */
export type Access = Scope | "any";

/** 403 unless the key or token has the scope. */
export function demandScope({ scopes, token }: Pick<KeyOwner, "scopes" | "token">, scope: Scope): void {
  if (grants(scopes, scope)) return;
  throw new BellhopError("forbidden", 403, `This ${token ? "token" : "key"} lacks the scope ${scope}.`);
}

export const isForFunction = ({ functions }: Pick<KeyOwner, "functions">, name: string): boolean =>
  functions === null || functions.includes(name);

/** 403 where the key is for some functions, and this is about none of them. The same whether there is such a function. */
export function demandFunction(owner: Pick<KeyOwner, "functions">, name: string | undefined): void {
  if (name === undefined ? owner.functions === null : isForFunction(owner, name)) return;
  const message = "This key may only call the functions that it names.";
  throw new BellhopError("forbidden", 403, message);
}

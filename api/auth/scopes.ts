/** What a key may do: `admin` everything; `read`, `write`, `deploy`, `invoke` what they say. */
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";

export type Scope = "read" | "write" | "deploy" | "invoke" | "admin";

/** 403 unless the key has the scope. */
export function demandScope({ scopes }: KeyOwner, scope: Scope): void {
  if (!scopes.includes("admin") && !scopes.includes(scope)) {
    throw new BellhopError("forbidden", 403, `This key lacks the scope ${scope}.`);
  }
}

/** Bearer keys. What a key may do: `admin` everything; `read`, `write`, `deploy`, `invoke` what they say. */
import type { MiddlewareHandler } from "hono";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { ApiEnv } from "../environment.ts";
import type { Keyring } from "./keyring.ts";

export type Scope = "read" | "write" | "deploy" | "invoke" | "admin";

export function readBearer(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
}

/** 401 for who sends no key, or one that is none any more. */
export function unauthenticated(key: string | undefined): BellhopError {
  const message =
    key === undefined
      ? "Send your key as: Authorization: Bearer <key>."
      : "This key is unknown, expired or revoked.";
  return new BellhopError("unauthenticated", 401, message);
}

/** The key's owner; 401 without a valid key. */
export async function requireOwner(keyring: Keyring, key: string | undefined): Promise<KeyOwner> {
  const owner = key === undefined ? undefined : await keyring.findOwner(key);
  if (!owner) throw unauthenticated(key);
  return owner;
}

export function requireKey(keyring: Keyring): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    context.set("owner", await requireOwner(keyring, readBearer(context.req.header("authorization"))));
    await next();
  };
}

/** 403 unless the key has the scope. */
export function demandScope({ scopes }: KeyOwner, scope: Scope): void {
  if (!scopes.includes("admin") && !scopes.includes(scope)) {
    throw new BellhopError("forbidden", 403, `This key lacks the scope ${scope}.`);
  }
}

/** 403 unless the key has the scope. */
export function requireScope(scope: Scope): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    demandScope(context.get("owner"), scope);
    await next();
  };
}

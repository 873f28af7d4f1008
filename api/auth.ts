/** Bearer keys. What a key may do: `admin` everything; `read`, `write`, `deploy`, `invoke` what they say. */
import type { MiddlewareHandler } from "hono";
import { BellhopError } from "../core/errors.ts";
import type { Db } from "../core/store/database.ts";
import { findKeyOwner, type KeyOwner } from "../core/store/keys.ts";
import type { ApiEnv } from "./environment.ts";

export type Scope = "read" | "write" | "deploy" | "invoke";

/** A key is looked up at most this often; so long may a revoked one go on. */
const REMEMBER_MS = 2_000;
const REMEMBERED_KEYS = 1_000;
const MAX_KEY_LENGTH = 200;

/** Whose key it is, remembered for a moment. */
export interface Keyring {
  /** Undefined where the key is unknown, expired or revoked. */
  findOwner(key: string): Promise<KeyOwner | undefined>;
}

export function createKeyring(db: Db): Keyring {
  const known = new Map<string, { owner: KeyOwner; untilMs: number }>();
  return {
    async findOwner(key) {
      const nowMs = performance.now();
      const entry = known.get(key);
      if (entry && entry.untilMs >= nowMs) return entry.owner;
      known.delete(key);
      const owner = key.length <= MAX_KEY_LENGTH ? await findKeyOwner(db, key) : undefined;
      if (!owner) return undefined;
      if (known.size >= REMEMBERED_KEYS) known.delete(known.keys().next().value!);
      known.set(key, { owner, untilMs: nowMs + REMEMBER_MS });
      return owner;
    },
  };
}

export function readBearer(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
}

/** The key's owner; 401 without a valid key. */
export async function requireOwner(keyring: Keyring, key: string | undefined): Promise<KeyOwner> {
  if (key === undefined)
    throw new BellhopError("unauthenticated", 401, "Send your key as: Authorization: Bearer <key>.");
  const owner = await keyring.findOwner(key);
  if (!owner) throw new BellhopError("unauthenticated", 401, "This key is unknown, expired or revoked.");
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

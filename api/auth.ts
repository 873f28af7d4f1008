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

export function requireKey(db: Db): MiddlewareHandler<ApiEnv> {
  const known = new Map<string, { owner: KeyOwner; untilMs: number }>();
  return async (context, next) => {
    const [, key] = /^Bearer +(\S+)$/i.exec(context.req.header("authorization") ?? "") ?? [];
    if (key === undefined)
      throw new BellhopError("unauthenticated", 401, "Send your key as: Authorization: Bearer <key>.");
    const nowMs = performance.now();
    let entry = known.get(key);
    if (!entry || entry.untilMs < nowMs) {
      known.delete(key);
      const owner = key.length <= MAX_KEY_LENGTH ? await findKeyOwner(db, key) : undefined;
      if (!owner) throw new BellhopError("unauthenticated", 401, "This key is unknown, expired or revoked.");
      entry = { owner, untilMs: nowMs + REMEMBER_MS };
      if (known.size >= REMEMBERED_KEYS) known.delete(known.keys().next().value!);
      known.set(key, entry);
    }
    context.set("owner", entry.owner);
    await next();
  };
}

/** 403 unless the key has the scope. */
export function requireScope(scope: Scope): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const { scopes } = context.get("owner");
    if (!scopes.includes("admin") && !scopes.includes(scope)) {
      throw new BellhopError("forbidden", 403, `This key lacks the scope ${scope}.`);
    }
    await next();
  };
}

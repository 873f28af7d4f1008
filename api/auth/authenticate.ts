/** Who asks: by a key in `Authorization: Bearer`, or in `Bellhop-Key`. The one way in, of /v1 and of functions' URLs. */
import type { Context, MiddlewareHandler } from "hono";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { ApiEnv } from "../environment.ts";
import { actIn, NAMESPACE_HEADER } from "./act-in.ts";
import type { Keyring } from "./keyring.ts";

export interface ShownKey {
  key: string | undefined;
  /** It came in `Bellhop-Key`, which counts more: then `Authorization` is for somebody else. */
  isOwnHeader: boolean;
}

export function readKey(context: Context): ShownKey {
  const own = context.req.header("bellhop-key");
  if (own !== undefined) return { key: own, isOwnHeader: true };
  const bearer = /^Bearer +(\S+)$/i.exec(context.req.header("authorization") ?? "")?.[1];
  return { key: bearer, isOwnHeader: false };
}

/** Undefined without a valid key. */
export async function findOwner(keyring: Keyring, { key }: ShownKey): Promise<KeyOwner | undefined> {
  return key === undefined ? undefined : await keyring.findOwner(key);
}

/** 401 for who sends no key, or an invalid one. */
export function unauthenticated({ key }: ShownKey): BellhopError {
  const message =
    key === undefined
      ? "Send your key as: Authorization: Bearer <key>."
      : "This key is unknown, expired or revoked.";
  return new BellhopError("unauthenticated", 401, message);
}

/** Says whose request it is; 401 without a valid key. */
export async function identify(keyring: Keyring, context: Context<ApiEnv>): Promise<void> {
  const shown = readKey(context);
  const owner = await findOwner(keyring, shown);
  if (!owner) throw unauthenticated(shown);
  context.set("owner", await actIn(keyring, owner, context.req.header(NAMESPACE_HEADER)));
}

/** 401 without a valid key. */
export function requireKey(keyring: Keyring): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    await identify(keyring, context);
    await next();
  };
}

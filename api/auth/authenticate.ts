/**
 * Who asks: by a key, or a token of the OpenID provider, in `Authorization: Bearer` or in `Bellhop-Key`. The one way in, of /v1
 * and of functions' URLs.
 */
import type { Context, MiddlewareHandler } from "hono";
import { BellhopError } from "../../core/errors.ts";
import type { KeyOwner } from "../../core/store/keys.ts";
import type { ApiEnv } from "../environment.ts";
import { headerOf } from "../http/header-of.ts";
import { actIn, NAMESPACE_HEADER } from "./act-in.ts";
import type { Keyring } from "./keyring.ts";

export interface ShownKey {
  key: string | undefined;
  /** It came in `Bellhop-Key`, which counts more: then `Authorization` is for somebody else. */
  isOwnHeader: boolean;
}

export function readKey(context: Context): ShownKey {
  const own = headerOf(context, "bellhop-key");
  if (own !== undefined) return { key: own, isOwnHeader: true };
  return { key: bearerOf(context), isOwnHeader: false };
}

export const bearerOf = (context: Context): string | undefined =>
  /^Bearer +(\S+)$/i.exec(context.req.header("authorization") ?? "")?.[1];

/** Whose request it is; or why it is nobody's. */
export type Identified = { owner: KeyOwner; refusal?: never } | { owner?: never; refusal: BellhopError };

/** 401 for who sends no key, or an invalid one; of a token also 403 where it opens nothing, and 503. */
export async function identify(keyring: Keyring, { key }: ShownKey): Promise<Identified> {
  if (key === undefined)
    return { refusal: unauthenticated("Send your key as: Authorization: Bearer <key>.") };
  try {
    const owner = await keyring.findOwner(key);
    return owner ? { owner } : { refusal: unauthenticated("This key is unknown, expired or revoked.") };
  } catch (error) {
    if (error instanceof BellhopError) return { refusal: error };
    throw error;
  }
}

const unauthenticated = (message: string) => new BellhopError("unauthenticated", 401, message);

/** Says whose request it is; refuses it where it is nobody's. */
export async function authenticate(keyring: Keyring, context: Context<ApiEnv>): Promise<void> {
  const { owner, refusal } = await identify(keyring, readKey(context));
  if (refusal) throw refusal;
  context.set("owner", await actIn(keyring, owner, headerOf(context, NAMESPACE_HEADER)));
}

/** 401 without a valid key. */
export function requireKey(keyring: Keyring): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    await authenticate(keyring, context);
    await next();
  };
}

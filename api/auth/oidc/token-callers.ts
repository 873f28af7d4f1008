/** Who comes with a token of the OpenID provider, and what it opens: verified once in a while, and remembered by its hash. */
import { createHash } from "node:crypto";
import type { Clock } from "../../../core/clock.ts";
import type { OidcConfig } from "../../../core/config/oidc.ts";
import { findGrants, type NamespaceGrant } from "../../../core/domain/token-grants.ts";
import { BellhopError } from "../../../core/errors.ts";
import { idOfSubject } from "../../../core/store/token-subjects.ts";
import type { Issuer } from "./issuer.ts";
import { isMeantFor, LEEWAY_SECONDS, looksLikeToken, verifyToken } from "./verify-token.ts";

/** A token is verified again after so long: its signer may have been withdrawn. */
export const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** How often the tokens of open streams are looked at. */
export const LOOK_EVERY_MS = 30_000;

export interface TokenCaller {
  /** Of the subject, whichever token it came with. */
  id: string;
  issuer: string;
  subject: string;
  /** One at least, the first where it acts if it names no namespace. */
  grants: readonly NamespaceGrant[];
  expiresAt: Date;
}

export interface TokenCallers {
  /** Whether to look here for whose it is, instead of among keys. */
  isToken(text: string): boolean;
  /** Whether it says that it is for this API: then it is for nobody else to see. */
  isOwn(text: string): boolean;
  /** Throws 401 where it is not valid, 403 where it opens nothing, 503 where the provider is away. */
  find(token: string): Promise<TokenCaller>;
  /** Calls `onInvalid` once the token is not valid any more; what it answers is called by who does not care any longer. */
  watch(token: string, onInvalid: () => void): () => void;
}

export interface TokenCallersParts {
  config: OidcConfig;
  issuer: Issuer;
  clock: Pick<Clock, "now" | "steadyMs" | "after">;
  /** Somebody's token was verified, and opens something. */
  onSeen(caller: TokenCaller): void;
}

interface Remembered {
  caller: TokenCaller;
  verifiedMs: number;
}

export function createTokenCallers({ config, issuer, clock, onSeen }: TokenCallersParts): TokenCallers {
  const remembered = new Map<string, Remembered>();
  const endOf = ({ expiresAt }: TokenCaller) => expiresAt.getTime() + LEEWAY_SECONDS * 1_000;

  async function verify(token: string): Promise<TokenCaller> {
    const { subject, expiresAt, claims } = await verifyToken(token, {
      ...{ issuer: config.issuer, audiences: config.audiences },
      ...{ findKey: issuer.findKey, now: clock.now() },
    });
    const grants = findGrants(claims, config.mapping);
    if (grants.length === 0) throw nothingGranted();
    const known = { issuer: config.issuer, subject };
    return { ...known, id: idOfSubject(known), grants, expiresAt };
  }

  async function find(token: string): Promise<TokenCaller> {
    const hash = createHash("sha256").update(token).digest("base64");
    const kept = remembered.get(hash);
    if (
      kept &&
      clock.steadyMs() - kept.verifiedMs < REMEMBER_MS &&
      clock.now().getTime() < endOf(kept.caller)
    )
      return kept.caller;
    remembered.delete(hash);
    const caller = await verify(token);
    if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
    remembered.set(hash, { caller, verifiedMs: clock.steadyMs() });
    onSeen(caller);
    return caller;
  }

  return {
    isToken: (text) => !text.startsWith("bh_") && looksLikeToken(text),
    isOwn: (text) => looksLikeToken(text) && isMeantFor(text, config),
    find,
    watch(token, onInvalid) {
      let endMs = Number.POSITIVE_INFINITY;
      let isWatching = true;
      let stopWaiting = () => {};
      const look = async () => {
        try {
          endMs = endOf(await find(token));
        } catch (error) {
          // A provider that is away ends no stream before the token ends.
          if (error instanceof BellhopError && error.status < 500) endMs = 0;
        }
        if (!isWatching) return;
        const leftMs = endMs - clock.now().getTime();
        if (leftMs <= 0) onInvalid();
        else stopWaiting = clock.after(Math.min(leftMs, LOOK_EVERY_MS), () => void look());
      };
      void look();
      return () => {
        isWatching = false;
        stopWaiting();
      };
    },
  };
}

/** The same whether its namespaces are not there or it names none. */
export const nothingGranted = () =>
  new BellhopError(
    "forbidden",
    403,
    "The token is valid, but none of its claims grant access here: ask an operator for a grant.",
  );

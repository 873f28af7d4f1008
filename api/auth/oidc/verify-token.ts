/** Whether a token is the provider's, for Bellhop, and of now. What is wrong with it is told to its bearer, without quoting it. */
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { hasControlCharacter } from "../../../core/control-characters.ts";
import { BellhopError } from "../../../core/errors.ts";
import type { JsonObject } from "../../../core/json.ts";
import type { Issuer } from "./issuer.ts";

export const MAX_TOKEN_CHARS = 12_000;
/** How far the clocks of provider and database may stand apart. */
export const LEEWAY_SECONDS = 30;
const MAX_SUBJECT_CHARS = 255;

/** Asymmetric ones alone: what is published can verify, and can sign nothing. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];
/** Of ID tokens and access tokens (RFC 9068). Others are signed by the same keys, and are for something else. */
const TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt"]);

export interface VerifiedToken {
  subject: string;
  expiresAt: Date;
  claims: JsonObject;
}

export interface TokenDemands {
  issuer: string;
  audiences: readonly string[];
  findKey: Issuer["findKey"];
  now: Date;
}

/** Three parts between dots. */
export const looksLikeToken = (text: string): boolean => /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text);

/** Whether it says so itself, whoever signed it. */
export function isMeantFor(
  token: string,
  { issuer, audiences }: Pick<TokenDemands, "issuer" | "audiences">,
): boolean {
  try {
    const { iss, aud } = decodeJwt(token);
    return iss === issuer && isAmong(aud, audiences);
  } catch {
    return false;
  }
}

const isAmong = (aud: JWTPayload["aud"], audiences: readonly string[]): boolean =>
  [aud ?? []].flat().some((each) => audiences.includes(each));

/** Throws 401 with what is wrong with the token, and 503 where the provider is away. */
export async function verifyToken(token: string, demands: TokenDemands): Promise<VerifiedToken> {
  const { issuer, audiences, findKey, now } = demands;
  try {
    demandSane(token, demands);
    const { payload } = await jwtVerify(token, findKey, {
      ...{ issuer, audience: [...audiences], algorithms: ALGORITHMS, requiredClaims: ["exp", "sub"] },
      ...{ clockTolerance: LEEWAY_SECONDS, currentDate: now },
    });
    return readClaims(payload);
  } catch (error) {
    if (error instanceof BellhopError) throw error;
    throw refused(describeFault(error));
  }
}

/** Before anybody asks the provider because of it, or computes anything. */
function demandSane(token: string, { issuer, audiences }: TokenDemands): void {
  if (token.length > MAX_TOKEN_CHARS) throw refused(`is longer than ${MAX_TOKEN_CHARS} characters`);
  const { alg, typ } = decodeProtectedHeader(token);
  if (!ALGORITHMS.includes(alg ?? "")) throw refused("is not signed by an accepted algorithm");
  const type = typeof typ === "string" ? typ.toLowerCase().replace(/^application\//, "") : typ;
  if (type !== undefined && !TYPES.has(type as string)) throw refused("is not of an accepted type");
  const { iss, aud } = decodeJwt(token);
  if (iss !== issuer) throw refused("was made by another issuer than this API's");
  if (!isAmong(aud, audiences)) throw refused("was made for another audience than this API");
}

function readClaims(payload: JWTPayload): VerifiedToken {
  const { sub, exp } = payload;
  if (typeof sub !== "string" || sub === "" || sub.length > MAX_SUBJECT_CHARS || hasControlCharacter(sub))
    throw refused(`has no subject of 1 to ${MAX_SUBJECT_CHARS} characters`);
  const expiresAt = new Date(exp! * 1_000);
  if (Number.isNaN(expiresAt.getTime())) throw refused("has an invalid expiry");
  return { subject: sub, expiresAt, claims: payload as JsonObject };
}

function describeFault(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "has expired";
  if (error instanceof errors.JWTClaimValidationFailed)
    return error.claim === "nbf" ? "is not valid yet" : `has a claim ${error.claim} that is missing or wrong`;
  if (error instanceof errors.JWKSNoMatchingKey) return "is signed by a key that its issuer does not publish";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "has a wrong signature";
  return "cannot be verified";
}

const refused = (what: string) => new BellhopError("unauthenticated", 401, `The token ${what}.`);

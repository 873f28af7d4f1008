/** Web Crypto: CryptoKey, and how algorithms, keys and data become arguments of an operation. */
import { type KeyFacts, KeyNumber, releaseKey } from "./crypto-bridge.ts";
import { registerCloner } from "./structured-clone.ts";
import {
  copyBytes,
  enforceUnsigned,
  INTERNAL,
  isBufferSource,
  isObject,
  refuseConstruction,
  toDictionary,
  toDomString,
  toEnum,
  toSequence,
  viewName,
} from "./webidl.ts";

export const FORMATS = ["raw", "spki", "pkcs8", "jwk"] as const;
const USAGES = [
  "encrypt",
  "decrypt",
  "sign",
  "verify",
  "deriveKey",
  "deriveBits",
  "wrapKey",
  "unwrapKey",
] as const;
const JWK_TEXTS = [
  "kty",
  "use",
  "alg",
  "crv",
  "x",
  "y",
  "d",
  "n",
  "e",
  "p",
  "q",
  "dp",
  "dq",
  "qi",
  "k",
] as const;

let registry: FinalizationRegistry<number> | undefined;
let handleOf: (key: GuestCryptoKey) => KeyNumber;
let isKey: (value: unknown) => value is GuestCryptoKey;

/** A number of a key that lives with the executor. */
class Handle extends KeyNumber {}

export class GuestCryptoKey {
  readonly #handle: Handle;
  readonly #facts: KeyFacts;

  constructor(mark: unknown, facts: KeyFacts, handle: Handle) {
    refuseConstruction(mark);
    this.#handle = handle;
    this.#facts = facts;
  }
  get type() {
    return this.#facts.type;
  }
  get extractable() {
    return this.#facts.extractable;
  }
  get algorithm() {
    return this.#facts.algorithm;
  }
  get usages() {
    return this.#facts.usages;
  }

  static {
    handleOf = (key) => key.#handle;
    isKey = (value): value is GuestCryptoKey => isObject(value) && #handle in value;
    registerCloner(isKey, (key) => {
      const { algorithm, usages, ...facts } = (key as GuestCryptoKey).#facts;
      const copies = { ...facts, algorithm: { ...algorithm }, usages: [...usages] };
      return new GuestCryptoKey(INTERNAL, copies, (key as GuestCryptoKey).#handle);
    });
  }
}

export function makeKey(facts: KeyFacts): GuestCryptoKey {
  const handle = new Handle(facts.$key);
  registry ??= new FinalizationRegistry(releaseKey);
  registry.register(handle, facts.$key);
  const { publicExponent } = facts.algorithm;
  if (publicExponent instanceof ArrayBuffer)
    facts.algorithm["publicExponent"] = new Uint8Array(publicExponent);
  return new GuestCryptoKey(INTERNAL, facts, handle);
}

export function toKey(value: unknown): KeyNumber {
  if (!isKey(value)) throw new TypeError("The key is not a CryptoKey");
  return handleOf(value);
}

export function toBytes(value: unknown, where: string): Uint8Array<ArrayBuffer> {
  if (!isBufferSource(value)) throw new TypeError(`${where} is not a buffer source`);
  return copyBytes(value);
}

export function toUsages(value: unknown): string[] {
  return toSequence(value, "The key's usages", (usage) => toEnum(usage, USAGES, "A key's usage"));
}

const INTEGERS = ["modulusLength", "length", "tagLength", "saltLength", "iterations"] as const;
const BUFFERS = ["iv", "counter", "additionalData", "label", "salt", "info", "context"] as const;

/** Every member that some algorithm knows, converted and copied now; what must be there the executor's side knows. */
export function toAlgorithm(value: unknown): Record<string, unknown> {
  if (!isObject(value)) return { name: toDomString(value) };
  const given = value as Record<string, unknown>;
  if (given["name"] === undefined) throw new TypeError("The algorithm has no name");
  const algorithm: Record<string, unknown> = { name: toDomString(given["name"]) };
  for (const member of INTEGERS) {
    if (given[member] !== undefined) algorithm[member] = enforceUnsigned(given[member], 32, member);
  }
  for (const member of BUFFERS) {
    if (given[member] !== undefined) algorithm[member] = toBytes(given[member], member);
  }
  if (given["hash"] !== undefined) algorithm["hash"] = toAlgorithm(given["hash"]);
  if (given["namedCurve"] !== undefined) algorithm["namedCurve"] = toDomString(given["namedCurve"]);
  if (given["public"] !== undefined) algorithm["public"] = toKey(given["public"]);
  const { publicExponent } = given;
  if (publicExponent !== undefined) {
    if (viewName(publicExponent) !== "Uint8Array") throw new TypeError("publicExponent is not a Uint8Array");
    algorithm["publicExponent"] = copyBytes(publicExponent as Uint8Array<ArrayBuffer>);
  }
  return algorithm;
}

export function toJwk(value: unknown): Record<string, unknown> {
  if (!isObject(value) || isBufferSource(value)) throw new TypeError("A key in the format jwk is an object");
  const given = toDictionary(value, "The key");
  const jwk: Record<string, unknown> = {};
  for (const member of JWK_TEXTS) {
    if (given[member] !== undefined) jwk[member] = toDomString(given[member]);
  }
  if (given["ext"] !== undefined) jwk["ext"] = Boolean(given["ext"]);
  if (given["key_ops"] !== undefined) {
    jwk["key_ops"] = toSequence(given["key_ops"], "key_ops", toDomString);
  }
  return jwk;
}

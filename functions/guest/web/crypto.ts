/** Web Crypto: the interfaces. The operations are the executor's (crypto-bridge.ts). */
import { askHost, decodeAnswer, type KeyFacts, KeyNumber, releaseKey } from "./crypto-bridge.ts";
import { domException } from "./dom-exception.ts";
import { fillRandom, makeUuid } from "./random.ts";
import { registerCloner } from "./structured-clone.ts";
import {
  copyBytes,
  defineInterface,
  defineReplaceable,
  enforceUnsigned,
  INTERNAL,
  isBufferSource,
  isObject,
  refuseConstruction,
  requireArguments,
  toDictionary,
  toDomString,
  toEnum,
  toSequence,
  viewBytes,
  viewName,
} from "./webidl.ts";

const FORMATS = ["raw", "spki", "pkcs8", "jwk"] as const;
const USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"] as const;
const JWK_TEXTS = ["kty", "use", "alg", "crv", "x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi", "k"] as const;
const MAX_RANDOM_BYTES = 65_536;

let registry: FinalizationRegistry<number> | undefined;
let handleOf: (key: GuestCryptoKey) => KeyNumber;
let isKey: (value: unknown) => value is GuestCryptoKey;

/** A number of a key that lives with the executor. */
class Handle extends KeyNumber {}

class GuestCryptoKey {
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

function makeKey(facts: KeyFacts): GuestCryptoKey {
  const handle = new Handle(facts.$key);
  registry ??= new FinalizationRegistry(releaseKey);
  registry.register(handle, facts.$key);
  const { publicExponent } = facts.algorithm;
  if (publicExponent instanceof ArrayBuffer) facts.algorithm["publicExponent"] = new Uint8Array(publicExponent);
  return new GuestCryptoKey(INTERNAL, facts, handle);
}

interface HostError {
  name: string;
  message: string;
  isDom: boolean;
}

async function ask(op: string, ...args: unknown[]): Promise<unknown> {
  const { text, bytes } = await askHost(op, args);
  const answer = decodeAnswer(text, bytes, makeKey) as { ok?: unknown; error?: HostError };
  if (!answer.error) return answer.ok;
  const { name, message, isDom } = answer.error;
  if (isDom) throw domException(name, message);
  throw new TypeError(message);
}

function toKey(value: unknown): KeyNumber {
  if (!isKey(value)) throw new TypeError("The key is no CryptoKey");
  return handleOf(value);
}

function toBytes(value: unknown, where: string): Uint8Array<ArrayBuffer> {
  if (!isBufferSource(value)) throw new TypeError(`${where} is no buffer source`);
  return copyBytes(value);
}

function toUsages(value: unknown): string[] {
  return toSequence(value, "The key's usages").map((usage) => toEnum(usage, USAGES, "A key's usage"));
}

const INTEGERS = ["modulusLength", "length", "tagLength", "saltLength", "iterations"] as const;
const BUFFERS = ["iv", "counter", "additionalData", "label", "salt", "info", "context"] as const;

/** Every member that some algorithm knows, converted and copied now; what must be there the executor's side knows. */
function toAlgorithm(value: unknown): Record<string, unknown> {
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
    if (viewName(publicExponent) !== "Uint8Array") throw new TypeError("publicExponent is no Uint8Array");
    algorithm["publicExponent"] = copyBytes(publicExponent as Uint8Array<ArrayBuffer>);
  }
  return algorithm;
}

function toJwk(value: unknown): Record<string, unknown> {
  if (!isObject(value) || isBufferSource(value)) throw new TypeError("A key in the format jwk is an object");
  const given = toDictionary(value, "The key");
  const jwk: Record<string, unknown> = {};
  for (const member of JWK_TEXTS) {
    if (given[member] !== undefined) jwk[member] = toDomString(given[member]);
  }
  if (given["ext"] !== undefined) jwk["ext"] = Boolean(given["ext"]);
  if (given["key_ops"] !== undefined) {
    jwk["key_ops"] = toSequence(given["key_ops"], "key_ops").map((usage) => toDomString(usage));
  }
  return jwk;
}

class GuestSubtleCrypto {
  /** For the brand alone. */
  readonly #own = true;

  constructor(mark?: unknown) {
    refuseConstruction(mark);
  }

  static check(self: GuestSubtleCrypto, given: number, required: number, where: string): void {
    self.#own;
    requireArguments(given, required, `SubtleCrypto.${where}`);
  }

  async digest(algorithm: unknown, data: unknown) {
    checkSubtle(this, arguments.length, 2, "digest");
    return ask("digest", toAlgorithm(algorithm), toBytes(data, "The data"));
  }

  async encrypt(algorithm: unknown, key: unknown, data: unknown) {
    checkSubtle(this, arguments.length, 3, "encrypt");
    return ask("encrypt", toAlgorithm(algorithm), toKey(key), toBytes(data, "The data"));
  }

  async decrypt(algorithm: unknown, key: unknown, data: unknown) {
    checkSubtle(this, arguments.length, 3, "decrypt");
    return ask("decrypt", toAlgorithm(algorithm), toKey(key), toBytes(data, "The data"));
  }

  async sign(algorithm: unknown, key: unknown, data: unknown) {
    checkSubtle(this, arguments.length, 3, "sign");
    return ask("sign", toAlgorithm(algorithm), toKey(key), toBytes(data, "The data"));
  }

  async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown) {
    checkSubtle(this, arguments.length, 4, "verify");
    const signed = toBytes(signature, "The signature");
    return ask("verify", toAlgorithm(algorithm), toKey(key), signed, toBytes(data, "The data"));
  }

  async generateKey(algorithm: unknown, extractable: unknown, keyUsages: unknown) {
    checkSubtle(this, arguments.length, 3, "generateKey");
    return ask("generateKey", toAlgorithm(algorithm), Boolean(extractable), toUsages(keyUsages));
  }

  async importKey(format: unknown, keyData: unknown, algorithm: unknown, extractable: unknown, keyUsages: unknown) {
    checkSubtle(this, arguments.length, 5, "importKey");
    const form = toEnum(format, FORMATS, "The key's format");
    const data = form === "jwk" ? toJwk(keyData) : toBytes(keyData, "The key");
    return ask("importKey", form, data, toAlgorithm(algorithm), Boolean(extractable), toUsages(keyUsages));
  }

  async exportKey(format: unknown, key: unknown) {
    checkSubtle(this, arguments.length, 2, "exportKey");
    return ask("exportKey", toEnum(format, FORMATS, "The key's format"), toKey(key));
  }

  async deriveBits(algorithm: unknown, baseKey: unknown, length: unknown = null) {
    checkSubtle(this, arguments.length, 2, "deriveBits");
    const bits = length === null || length === undefined ? null : enforceUnsigned(length, 32, "The length");
    return ask("deriveBits", toAlgorithm(algorithm), toKey(baseKey), bits);
  }

  async deriveKey(
    algorithm: unknown,
    baseKey: unknown,
    derivedKeyType: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ) {
    checkSubtle(this, arguments.length, 5, "deriveKey");
    const [from, key, type] = [toAlgorithm(algorithm), toKey(baseKey), toAlgorithm(derivedKeyType)];
    return ask("deriveKey", from, key, type, Boolean(extractable), toUsages(keyUsages));
  }

  async wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown) {
    checkSubtle(this, arguments.length, 4, "wrapKey");
    const form = toEnum(format, FORMATS, "The key's format");
    return ask("wrapKey", form, toKey(key), toKey(wrappingKey), toAlgorithm(wrapAlgorithm));
  }

  async unwrapKey(
    format: unknown,
    wrappedKey: unknown,
    unwrappingKey: unknown,
    unwrapAlgorithm: unknown,
    unwrappedKeyAlgorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ) {
    checkSubtle(this, arguments.length, 7, "unwrapKey");
    const form = toEnum(format, FORMATS, "The key's format");
    const wrapped = toBytes(wrappedKey, "The wrapped key");
    const [key, by, as] = [toKey(unwrappingKey), toAlgorithm(unwrapAlgorithm), toAlgorithm(unwrappedKeyAlgorithm)];
    return ask("unwrapKey", form, wrapped, key, by, as, Boolean(extractable), toUsages(keyUsages));
  }
}

const checkSubtle = GuestSubtleCrypto.check;
delete (GuestSubtleCrypto as Partial<typeof GuestSubtleCrypto>).check;

const INTEGER_VIEW = /^(?:Int8|Uint8|Uint8Clamped|Int16|Uint16|Int32|Uint32|BigInt64|BigUint64)Array$/;

class GuestCrypto {
  readonly #subtle = new GuestSubtleCrypto(INTERNAL);

  constructor(mark?: unknown) {
    refuseConstruction(mark);
  }
  get subtle() {
    return this.#subtle;
  }
  getRandomValues(array: unknown) {
    this.#subtle;
    requireArguments(arguments.length, 1, "crypto.getRandomValues");
    const name = viewName(array);
    if (name === undefined) throw new TypeError("getRandomValues takes a typed array");
    if (!INTEGER_VIEW.test(name)) {
      throw domException("TypeMismatchError", `A ${name} cannot be filled with random values`);
    }
    const bytes = viewBytes(array as Uint8Array<ArrayBuffer>);
    if (bytes.byteLength > MAX_RANDOM_BYTES) {
      throw domException("QuotaExceededError", `At most ${MAX_RANDOM_BYTES} random bytes can be had at once`);
    }
    if (bytes.byteLength > 0) fillRandom(bytes);
    return array;
  }
  randomUUID() {
    this.#subtle;
    return makeUuid();
  }
}

export function installCrypto(): void {
  defineInterface("CryptoKey", GuestCryptoKey);
  defineInterface("SubtleCrypto", GuestSubtleCrypto);
  defineInterface("Crypto", GuestCrypto);
  const crypto = new GuestCrypto(INTERNAL);
  defineReplaceable("crypto", () => crypto);
}

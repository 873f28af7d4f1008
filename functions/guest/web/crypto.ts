/** Web Crypto: Crypto and SubtleCrypto. The operations are the executor's (crypto-bridge.ts). */
import {
  FORMATS,
  GuestCryptoKey,
  makeKey,
  toAlgorithm,
  toBytes,
  toJwk,
  toKey,
  toUsages,
} from "./crypto-arguments.ts";
import { askHost, decodeAnswer } from "./crypto-bridge.ts";
import { domException } from "./dom-exception.ts";
import { fillRandom, makeUuid } from "./random.ts";
import {
  defineInterface,
  defineReplaceable,
  enforceUnsigned,
  INTERNAL,
  refuseConstruction,
  requireArguments,
  toEnum,
  viewBytes,
  viewName,
} from "./webidl.ts";

const MAX_RANDOM_BYTES = 65_536;

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

  /** Of equal lengths; takes as long wherever they differ. As other platforms have it. */
  timingSafeEqual(a: unknown, b: unknown): boolean {
    checkSubtle(this, arguments.length, 2, "timingSafeEqual");
    const [left, right] = [toBytes(a, "The first"), toBytes(b, "The second")];
    if (left.byteLength !== right.byteLength)
      throw new TypeError("What is compared must have the same length");
    let difference = 0;
    for (let i = 0; i < left.byteLength; i++) difference |= left[i]! ^ right[i]!;
    return difference === 0;
  }

  async importKey(
    format: unknown,
    keyData: unknown,
    algorithm: unknown,
    extractable: unknown,
    keyUsages: unknown,
  ) {
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
    const [key, by, as] = [
      toKey(unwrappingKey),
      toAlgorithm(unwrapAlgorithm),
      toAlgorithm(unwrappedKeyAlgorithm),
    ];
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
  defineInterface("CryptoKey", GuestCryptoKey, 0);
  defineInterface("SubtleCrypto", GuestSubtleCrypto, 0);
  defineInterface("Crypto", GuestCrypto, 0);
  const crypto = new GuestCrypto(INTERNAL);
  defineReplaceable("crypto", () => crypto);
}

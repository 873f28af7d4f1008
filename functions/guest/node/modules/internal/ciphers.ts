/** createCipheriv and createDecipheriv. What is given is kept; all of it comes out of `final()`. */
import { Buffer } from "node:buffer";
import { cbc, ctr, gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

type Bytes = Uint8Array<ArrayBuffer>;
interface OneShot {
  encrypt(data: Uint8Array): Uint8Array;
  decrypt(data: Uint8Array): Uint8Array;
}
interface Mode {
  keyBytes: number;
  /** 0: no tag. */
  tagBytes: number;
  make(key: Uint8Array, iv: Uint8Array, associated: Uint8Array | undefined, isPadded: boolean): OneShot;
}

const aes = (bits: number): Record<string, Mode> => ({
  [`aes-${bits}-cbc`]: {
    keyBytes: bits / 8,
    tagBytes: 0,
    make: (key, iv, _associated, isPadded) => cbc(key, iv, { disablePadding: !isPadded }),
  },
  [`aes-${bits}-ctr`]: { keyBytes: bits / 8, tagBytes: 0, make: (key, iv) => ctr(key, iv) },
  [`aes-${bits}-gcm`]: {
    keyBytes: bits / 8,
    tagBytes: 16,
    make: (key, iv, associated) => gcm(key, iv, associated),
  },
});

const MODES: Record<string, Mode> = {
  ...aes(128),
  ...aes(192),
  ...aes(256),
  "chacha20-poly1305": {
    keyBytes: 32,
    tagBytes: 16,
    make: (key, iv, associated) => chacha20poly1305(key, iv, associated),
  },
};

function fail(message: string, code: string): never {
  throw Object.assign(new Error(message), { code });
}

class Cipher {
  readonly #mode: Mode;
  readonly #key: Uint8Array;
  readonly #iv: Uint8Array;
  readonly #isDecipher: boolean;
  readonly #parts: Uint8Array[] = [];
  #associated: Uint8Array | undefined;
  #tag: Uint8Array | undefined;
  #isPadded = true;
  #isOver = false;

  constructor(name: string, key: Uint8Array, iv: Uint8Array, isDecipher: boolean) {
    const known = name.toLowerCase().replace(/^id-aes(\d+)-gcm$/, "aes-$1-gcm");
    if (!Object.hasOwn(MODES, known)) fail(`Unknown cipher: ${name}`, "ERR_CRYPTO_UNKNOWN_CIPHER");
    this.#mode = MODES[known]!;
    if (key.length !== this.#mode.keyBytes) fail("Invalid key length", "ERR_CRYPTO_INVALID_KEYLEN");
    this.#key = Uint8Array.from(key);
    this.#iv = Uint8Array.from(iv);
    this.#isDecipher = isDecipher;
  }

  update(data: string | Uint8Array, encoding?: BufferEncoding, outputEncoding?: BufferEncoding) {
    if (this.#isOver) fail("Trying to add data in unsupported state", "ERR_CRYPTO_INVALID_STATE");
    this.#parts.push(typeof data === "string" ? Buffer.from(data, encoding) : Uint8Array.from(data));
    return outputEncoding ? "" : Buffer.alloc(0);
  }

  final(outputEncoding?: BufferEncoding) {
    if (this.#isOver) fail("Unsupported state", "ERR_CRYPTO_INVALID_STATE");
    this.#isOver = true;
    const { tagBytes, make } = this.#mode;
    const data = Buffer.concat(this.#parts);
    const engine = make(this.#key, this.#iv, this.#associated, this.#isPadded);
    let output: Uint8Array;
    if (this.#isDecipher) {
      if (tagBytes > 0 && this.#tag === undefined)
        fail("Unsupported state or unable to authenticate data", "ERR_CRYPTO_INVALID_STATE");
      output = this.#decrypt(engine, tagBytes > 0 ? Buffer.concat([data, this.#tag!]) : data);
    } else {
      const all = engine.encrypt(data);
      output = all.subarray(0, all.length - tagBytes);
      if (tagBytes > 0) this.#tag = all.slice(all.length - tagBytes);
    }
    const result = Buffer.from(output.buffer as ArrayBuffer, output.byteOffset, output.byteLength);
    return outputEncoding ? result.toString(outputEncoding) : result;
  }

  #decrypt(engine: OneShot, data: Uint8Array): Uint8Array {
    try {
      return engine.decrypt(data);
    } catch {
      return this.#mode.tagBytes > 0
        ? fail("Unsupported state or unable to authenticate data", "ERR_OSSL_EVP_UNABLE_TO_AUTHENTICATE")
        : fail("bad decrypt", "ERR_OSSL_BAD_DECRYPT");
    }
  }

  setAAD(data: Uint8Array) {
    const before = this.#associated ?? new Uint8Array(0);
    this.#associated = Uint8Array.from([...before, ...data]);
    return this;
  }
  setAutoPadding(isPadded = true) {
    this.#isPadded = isPadded;
    return this;
  }
  setAuthTag(tag: Uint8Array) {
    if (tag.length !== this.#mode.tagBytes)
      fail("Invalid authentication tag length", "ERR_CRYPTO_INVALID_AUTH_TAG");
    this.#tag = Uint8Array.from(tag);
    return this;
  }
  getAuthTag() {
    if (this.#tag === undefined) fail("Invalid state for operation getAuthTag", "ERR_CRYPTO_INVALID_STATE");
    return Buffer.from(this.#tag as Bytes);
  }
}

export default { Cipher, names: Object.keys(MODES) };

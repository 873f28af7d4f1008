/**
 * node:crypto. What Node answers at once (hashes, HMACs, key derivation, ciphers) is computed in the isolate; `webcrypto`
 * is the platform's. Keys of two halves and their signatures are only there: Node's own are synchronous, and the host
 * does none of that while an isolate waits.
 */

import ciphers from "internal:ciphers";
import hashes from "internal:hashes";
import { Buffer } from "node:buffer";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { pbkdf2 } from "@noble/hashes/pbkdf2.js";
import { scrypt } from "@noble/hashes/scrypt.js";

type Data = string | Uint8Array | ArrayBuffer | KeyObject;
type Digestible = { update(data: Uint8Array): unknown; digest(): Uint8Array; clone?(): Digestible };
type Callback<T> = (error: Error | null, value?: T) => void;

const { crypto: webcrypto } = globalThis;
/** What getRandomValues takes at once. */
const RANDOM_BYTES = 65_536;

class KeyObject {
  readonly type = "secret";
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }
  get symmetricKeySize() {
    return this.#bytes.length;
  }
  export({ format }: { format?: string } = {}) {
    if (format === "jwk") return { kty: "oct", k: this.#bytes.toString("base64url") };
    return Buffer.from(this.#bytes);
  }
  equals(other: KeyObject) {
    return this.#bytes.equals(other.export() as Buffer);
  }
}

function toBytes(data: Data, encoding?: string): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, encoding as BufferEncoding);
  if (data instanceof KeyObject) return data.export() as Buffer;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw Object.assign(new TypeError("The data must be a string, a Buffer, a view or an ArrayBuffer"), {
    code: "ERR_INVALID_ARG_TYPE",
  });
}

function encode(bytes: Uint8Array, encoding?: string): Buffer | string {
  const buffer = Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  return encoding && encoding !== "buffer" ? buffer.toString(encoding as BufferEncoding) : buffer;
}

class Hash {
  readonly #engine: Digestible;
  #isOver = false;

  constructor(engine: Digestible) {
    this.#engine = engine;
  }
  update(data: Data, encoding?: string): this {
    if (this.#isOver)
      throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#engine.update(toBytes(data, encoding));
    return this;
  }
  digest(encoding?: string): Buffer | string {
    if (this.#isOver)
      throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#isOver = true;
    return encode(this.#engine.digest(), encoding);
  }
  copy(): Hash {
    return new Hash(this.#engine.clone!());
  }
}

class Hmac extends Hash {}

const createHash = (name: string) => new Hash(hashes.hashOf(name).create() as Digestible);
const createHmac = (name: string, key: Data) =>
  new Hmac(hmac.create(hashes.hashOf(name), toBytes(key)) as unknown as Digestible);

function fillRandom<T extends Uint8Array>(target: T): T {
  for (let at = 0; at < target.byteLength; at += RANDOM_BYTES) {
    webcrypto.getRandomValues(target.subarray(at, at + RANDOM_BYTES) as Uint8Array<ArrayBuffer>);
  }
  return target;
}

/** With a callback the value comes a moment later, as Node's does. */
function deliver<T>(make: () => T, callback?: Callback<T>): T | undefined {
  if (callback === undefined) return make();
  queueMicrotask(() => {
    let value: T;
    try {
      value = make();
    } catch (thrown) {
      return callback(thrown as Error);
    }
    callback(null, value);
  });
  return undefined;
}

function randomBytes(size: number, callback?: Callback<Buffer>) {
  if (!Number.isInteger(size) || size < 0 || size > 0x7fffffff) {
    throw Object.assign(new RangeError(`The value of "size" is out of range: ${size}`), {
      code: "ERR_OUT_OF_RANGE",
    });
  }
  return deliver(() => fillRandom(Buffer.alloc(size)), callback);
}

function randomFillSync<T extends ArrayBufferView>(target: T, offset = 0, size?: number): T {
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  fillRandom(bytes.subarray(offset, size === undefined ? undefined : offset + size));
  return target;
}

function randomFill(target: ArrayBufferView, ...rest: unknown[]) {
  const callback = rest.pop() as Callback<ArrayBufferView>;
  const [offset, size] = rest as [number?, number?];
  deliver(() => randomFillSync(target, offset, size), callback);
}

function randomInt(
  min: number,
  max?: number | Callback<number>,
  callback?: Callback<number>,
): number | undefined {
  if (typeof max !== "number") return randomInt(0, min, max);
  const range = max - min;
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || range <= 0 || range > 2 ** 48 - 1) {
    throw Object.assign(new RangeError("The range of randomInt is out of range"), {
      code: "ERR_OUT_OF_RANGE",
    });
  }
  const limit = 2 ** 48 - (2 ** 48 % range);
  const draw = (): number => {
    const value = fillRandom(Buffer.alloc(6)).readUIntBE(0, 6);
    return value < limit ? min + (value % range) : draw();
  };
  return deliver(draw, callback);
}

function timingSafeEqual(a: ArrayBufferView | ArrayBuffer, b: ArrayBufferView | ArrayBuffer): boolean {
  const [left, right] = [toBytes(a as Uint8Array), toBytes(b as Uint8Array)];
  if (left.length !== right.length) {
    throw Object.assign(new RangeError("Input buffers must have the same byte length"), {
      code: "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH",
    });
  }
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= left[i]! ^ right[i]!;
  return difference === 0;
}

const pbkdf2Sync = (password: Data, salt: Data, c: number, dkLen: number, digest: string) =>
  encode(pbkdf2(hashes.hashOf(digest), toBytes(password), toBytes(salt), { c, dkLen })) as Buffer;

type ScryptOptions = {
  N?: number;
  r?: number;
  p?: number;
  cost?: number;
  blockSize?: number;
  parallelization?: number;
  maxmem?: number;
};

function scryptSync(password: Data, salt: Data, dkLen: number, options: ScryptOptions = {}): Buffer {
  const {
    N = options.cost ?? 16_384,
    r = options.blockSize ?? 8,
    p = options.parallelization ?? 1,
  } = options;
  const { maxmem = 32 * 1_024 * 1_024 } = options;
  if (128 * N * r > maxmem) {
    throw Object.assign(new RangeError("Invalid scrypt params: memory limit exceeded"), {
      code: "ERR_CRYPTO_INVALID_SCRYPT_PARAMS",
    });
  }
  const limits = { N, r, p, dkLen, maxmem: maxmem + 128 * r * (p + 2) };
  return encode(scrypt(toBytes(password), toBytes(salt), limits)) as Buffer;
}

function scryptOf(password: Data, salt: Data, length: number, ...rest: unknown[]) {
  const callback = rest.pop() as Callback<Buffer>;
  deliver(() => scryptSync(password, salt, length, rest[0] as ScryptOptions), callback);
}

function hkdfSync(digest: string, key: Data, salt: Data, info: Data, length: number): ArrayBuffer {
  const bytes = hkdf(hashes.hashOf(digest), toBytes(key), toBytes(salt), toBytes(info), length);
  return Uint8Array.from(bytes).buffer;
}

const cipher = (isDecipher: boolean) => (name: string, key: Data, iv: Data | null) =>
  new ciphers.Cipher(name, toBytes(key), iv === null ? new Uint8Array(0) : toBytes(iv), isDecipher);

export default {
  Hash,
  Hmac,
  KeyObject,
  createHash,
  createHmac,
  hash: (name: string, data: Data, encoding = "hex") => createHash(name).update(data).digest(encoding),
  createCipheriv: cipher(false),
  createDecipheriv: cipher(true),
  createSecretKey: (key: Data, encoding?: string) => new KeyObject(toBytes(key, encoding)),
  randomBytes,
  pseudoRandomBytes: randomBytes,
  randomFill,
  randomFillSync,
  randomInt,
  randomUUID: () => webcrypto.randomUUID(),
  timingSafeEqual,
  pbkdf2Sync,
  pbkdf2: (
    password: Data,
    salt: Data,
    c: number,
    length: number,
    digest: string,
    callback: Callback<Buffer>,
  ) => deliver(() => pbkdf2Sync(password, salt, c, length, digest), callback),
  scryptSync,
  scrypt: scryptOf,
  hkdfSync,
  hkdf: (
    digest: string,
    key: Data,
    salt: Data,
    info: Data,
    length: number,
    callback: Callback<ArrayBuffer>,
  ) => deliver(() => hkdfSync(digest, key, salt, info, length), callback),
  getHashes: () => hashes.names,
  getCiphers: () => ciphers.names,
  getRandomValues: <T extends Uint8Array<ArrayBuffer>>(target: T) => webcrypto.getRandomValues(target),
  webcrypto,
  subtle: webcrypto.subtle,
  fips: 0,
  getFips: () => 0,
};

/**
 * Web Crypto for guests, done by Node's own in this process. Keys stay here, by isolate and number. What one operation
 * may cost is bounded, because no limit of an isolate counts a thread of this process.
 */
import type { webcrypto } from "node:crypto";
import { createSemaphore } from "../../../core/semaphore.ts";

export const CRYPTO_LIMITS = {
  /** Of one isolate, under way. The guest keeps the others back. */
  operations: 16,
  /**
   * Of one isolate. Beyond it the one that was used longest ago goes: a guest says which keys it dropped only when its
   * garbage is collected, which may be never.
   */
  keys: 10_000,
  /** Input of one operation. */
  bytes: 64_000_000,
  /** PBKDF2: iterations times blocks of output. */
  pbkdf2Blocks: 5_000_000,
  /** To generate; and to use at all. */
  rsaGenerateBits: 4_096,
  rsaBits: 8_192,
  derivedBits: 8_000_000,
} as const;

const OPERATIONS = new Set([
  "decrypt",
  "deriveBits",
  "deriveKey",
  "digest",
  "encrypt",
  "exportKey",
  "generateKey",
  "importKey",
  "sign",
  "unwrapKey",
  "verify",
  "wrapKey",
]);

/** What may take seconds, within the limits. */
const SLOW = new Set(["deriveBits", "deriveKey", "generateKey"]);

/** Over all isolates: libuv has four threads, and quick operations need some of them. */
const SLOW_AT_ONCE = 2;
const withSlowPermit = createSemaphore(SLOW_AT_ONCE);

const HASH_BITS: Record<string, number> = { "SHA-1": 160, "SHA-256": 256, "SHA-384": 384, "SHA-512": 512 };

type CryptoKey = webcrypto.CryptoKey;
type Operation = (...args: unknown[]) => Promise<unknown>;

export interface CryptoAnswer {
  text: string;
  bytes?: Uint8Array;
}

/** The keys and operations of one isolate. */
export class GuestCrypto {
  readonly #keys = new Map<number, CryptoKey>();
  #nextKey = 1;
  #underWay = 0;

  /** Never rejects; `text` and `bytes` come from a guest. What waits for its turn is asked whether it is still wanted. */
  async answer(
    text: string,
    bytes: Uint8Array | undefined,
    isWanted: () => boolean = () => true,
  ): Promise<CryptoAnswer> {
    this.#underWay++;
    try {
      if (this.#underWay > CRYPTO_LIMITS.operations) refuse("Too many operations are under way.");
      return this.#encode(await this.#perform(text, bytes ?? new Uint8Array(0), isWanted));
    } catch (thrown) {
      return { text: JSON.stringify({ error: describe(thrown) }) };
    } finally {
      this.#underWay--;
    }
  }

  async #perform(text: string, bytes: Uint8Array, isWanted: () => boolean): Promise<unknown> {
    if (bytes.byteLength > CRYPTO_LIMITS.bytes) refuse("The data is too long.");
    const { op, args, released } = JSON.parse(text) as { op: string; args: unknown[]; released: number[] };
    for (const key of released) this.#keys.delete(key);
    if (!OPERATIONS.has(op)) refuse("There is no such operation.");
    const decoded = this.#decode(args, bytes);
    checkCost(op, decoded);
    // Loaded here, when it is first read: a start does without.
    const { subtle } = crypto;
    const operate = () => (subtle as unknown as Record<string, Operation>)[op]!(...decoded);
    const result = await (SLOW.has(op)
      ? withSlowPermit(async () => (isWanted() ? operate() : undefined))
      : operate());
    if (result === undefined && !isWanted()) refuse("The run that asked is over.");
    if (op === "importKey" || op === "unwrapKey") checkKey(result as CryptoKey);
    return result;
  }

  #decode(args: unknown[], bytes: Uint8Array): unknown[] {
    let at = 0;
    const decode = (value: unknown): unknown => {
      if (typeof value !== "object" || value === null) return value;
      if (Array.isArray(value)) return value.map(decode);
      const { $bytes, $key } = value as { $bytes?: number; $key?: number };
      if ($bytes !== undefined) {
        at += $bytes;
        return bytes.subarray(at - $bytes, at);
      }
      if ($key === undefined) {
        return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, decode(item)]));
      }
      return this.#useKey($key);
    };
    return args.map(decode);
  }

  #useKey(number: number): CryptoKey {
    const key = this.#keys.get(number);
    if (!key) refuse(`The key is gone: ${CRYPTO_LIMITS.keys} others were used since.`);
    this.#keys.delete(number);
    this.#keys.set(number, key);
    return key;
  }

  #encode(result: unknown): CryptoAnswer {
    const parts: Uint8Array[] = [];
    const encode = (value: unknown): unknown => {
      if (value instanceof globalThis.CryptoKey) return this.#encodeKey(value, encode);
      if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
        const part = ArrayBuffer.isView(value)
          ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
          : new Uint8Array(value);
        parts.push(part);
        return { $bytes: part.byteLength };
      }
      if (Array.isArray(value)) return value.map(encode);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, encode(item)]));
    };
    const text = JSON.stringify({ ok: encode(result) });
    return parts.length === 0 ? { text } : { text, bytes: Buffer.concat(parts) };
  }

  #encodeKey(key: CryptoKey, encode: (value: unknown) => unknown): object {
    const number = this.#nextKey++;
    this.#keys.set(number, key);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > CRYPTO_LIMITS.keys && oldest !== undefined) this.#keys.delete(oldest);
    const { type, extractable, algorithm, usages } = key;
    return { $key: number, type, extractable, algorithm: encode(algorithm), usages: [...usages] };
  }
}

function refuse(message: string): never {
  throw new DOMException(message, "OperationError");
}

interface Costs {
  name?: unknown;
  iterations?: unknown;
  hash?: { name?: unknown };
  length?: unknown;
  modulusLength?: unknown;
}

function checkCost(op: string, args: unknown[]): void {
  const algorithm = args[0] as Costs;
  if (op === "generateKey" && Number(algorithm.modulusLength ?? 0) > CRYPTO_LIMITS.rsaGenerateBits) {
    refuse(`An RSA key of more than ${CRYPTO_LIMITS.rsaGenerateBits} bits is not generated here.`);
  }
  if (op !== "deriveBits" && op !== "deriveKey") return;
  const bits = op === "deriveBits" ? Number(args[2] ?? 0) : Number((args[2] as Costs).length ?? 1_024);
  if (bits > CRYPTO_LIMITS.derivedBits) refuse("So many bits are not derived here.");
  if (String(algorithm.name).toUpperCase() !== "PBKDF2") return;
  const hashBits = HASH_BITS[String(algorithm.hash?.name).toUpperCase()] ?? 160;
  const blocks = Math.max(Math.ceil(bits / hashBits), 1);
  if (Number(algorithm.iterations) * blocks > CRYPTO_LIMITS.pbkdf2Blocks) {
    refuse(`PBKDF2 of more than ${CRYPTO_LIMITS.pbkdf2Blocks} iterations is not done here.`);
  }
}

/** A key that came from outside: its size is known only now. */
function checkKey(key: CryptoKey): void {
  const { modulusLength = 0 } = key.algorithm as { modulusLength?: number };
  if (modulusLength > CRYPTO_LIMITS.rsaBits) {
    refuse(`An RSA key of more than ${CRYPTO_LIMITS.rsaBits} bits is not used here.`);
  }
}

function describe(thrown: unknown): { name: string; message: string; isDom: boolean } {
  const { name, message } = thrown as Error;
  return { name: String(name), message: String(message), isDom: thrown instanceof DOMException };
}

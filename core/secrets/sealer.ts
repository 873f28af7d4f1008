/**
 * Secrets at rest: AES-256-GCM, bound to where they belong. Sealed: version (1 byte), the key's id (4), nonce (12), tag
 * (16), then the text. The first key seals, all of them open: for changing keys.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const VERSION = 1;
const KEY_BYTES = 32;
const [KEY_ID_BYTES, NONCE_BYTES, TAG_BYTES] = [4, 12, 16];
const NONCE_AT = 1 + KEY_ID_BYTES;
const TAG_AT = NONCE_AT + NONCE_BYTES;
const TEXT_AT = TAG_AT + TAG_BYTES;

/** Where a secret belongs; one that was moved elsewhere does not open. */
export interface SecretPlace {
  namespaceId: string;
  /** Null: the namespace's. */
  functionId: string | null;
  name: string;
}

export interface Sealer {
  seal(place: SecretPlace, value: string): Buffer;
  /** Throws where no key opens it. The error names no value. */
  open(place: SecretPlace, sealed: Buffer): string;
}

/** The keys of the setting: 32 bytes each, as base64 or hex, comma-separated. Throws; the error quotes nothing. */
export function parseSecretKeys(text: string): Buffer[] {
  return text.split(",").map((part) => {
    const given = part.trim();
    const key = /^[0-9a-f]{64}$/i.test(given)
      ? Buffer.from(given, "hex")
      : /^[A-Za-z0-9+/_-]{43}=?$/.test(given)
        ? Buffer.from(given, "base64")
        : Buffer.alloc(0);
    if (key.length !== KEY_BYTES) throw new Error(`must be ${KEY_BYTES} bytes as base64 or hex`);
    return key;
  });
}

export function createSealer(keys: readonly Buffer[]): Sealer {
  const known = keys.map((key) => ({ key, id: keyId(key) }));
  const [first] = known;
  if (!first) throw new Error("there is no key");
  return {
    seal(place, value) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, first.key, nonce).setAAD(toAad(place));
      const text = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), first.id, nonce, cipher.getAuthTag(), text]);
    },
    open(place, sealed) {
      const id = sealed.subarray(1, NONCE_AT);
      const found = sealed[0] === VERSION ? known.find((one) => one.id.equals(id)) : undefined;
      if (!found) throw new Error(`The secret ${place.name} was sealed with a key that is not known.`);
      const decipher = createDecipheriv(ALGORITHM, found.key, sealed.subarray(NONCE_AT, TAG_AT))
        .setAAD(toAad(place))
        .setAuthTag(sealed.subarray(TAG_AT, TEXT_AT));
      try {
        return decipher.update(sealed.subarray(TEXT_AT), undefined, "utf8") + decipher.final("utf8");
      } catch {
        throw new Error(`The secret ${place.name} was changed or belongs elsewhere.`);
      }
    },
  };
}

/** What everything begins with that these keys seal: the version and the key's id. */
export function sealMarks(keys: readonly Buffer[]): Buffer[] {
  return keys.map((key) => Buffer.concat([Buffer.of(VERSION), keyId(key)]));
}

function keyId(key: Buffer): Buffer {
  return createHash("sha256").update("bellhop secrets key\n").update(key).digest().subarray(0, KEY_ID_BYTES);
}

function toAad({ namespaceId, functionId, name }: SecretPlace): Buffer {
  return Buffer.from(`${namespaceId}\n${functionId ?? ""}\n${name}`);
}

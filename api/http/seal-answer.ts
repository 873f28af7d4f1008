/**
 * Answers that show a secret are kept sealed, by a key made of the caller's own, which the database does not hold:
 * AES-256-GCM, as nonce (12 bytes), tag (16), then the text.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
const [NONCE_BYTES, TAG_BYTES, KEY_BYTES] = [12, 16, 32];
const TEXT_AT = NONCE_BYTES + TAG_BYTES;

const toKey = (callerKey: string, salt: Buffer) =>
  Buffer.from(hkdfSync("sha256", callerKey, salt, "bellhop kept answer", KEY_BYTES));

/** @param salt what the request is known by */
export function sealAnswer(callerKey: string, salt: Buffer, text: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, toKey(callerKey, salt), nonce);
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

/** Undefined where another caller's key sealed it. */
export function openAnswer(callerKey: string, salt: Buffer, sealed: Buffer): Buffer | undefined {
  const key = toKey(callerKey, salt);
  const decipher = createDecipheriv(ALGORITHM, key, sealed.subarray(0, NONCE_BYTES)).setAuthTag(
    sealed.subarray(NONCE_BYTES, TEXT_AT),
  );
  try {
    return Buffer.concat([decipher.update(sealed.subarray(TEXT_AT)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Signatures of what is delivered over HTTP, as Standard Webhooks 1.0 has them: HMAC-SHA256 of id, instant and body. */
import { createHmac, randomBytes } from "node:crypto";

const PREFIX = "whsec_";
const SECRET_BYTES = 32;

/** Of the three headers, in lower case. */
export const SIGNATURE_HEADERS: ReadonlySet<string> = new Set([
  "webhook-id",
  "webhook-timestamp",
  "webhook-signature",
]);

/** `whsec_` and 32 random bytes as base64. */
export const createSigningSecret = (): string => PREFIX + randomBytes(SECRET_BYTES).toString("base64");

export interface SignedMessage {
  /** The same at each attempt: whoever receives it twice can tell. */
  id: string;
  at: Date;
  body: string;
}

/** @param secrets as `createSigningSecret` makes them; there is a signature by each */
export function signMessage(secrets: readonly string[], { id, at, body }: SignedMessage) {
  const timestamp = String(Math.floor(at.getTime() / 1_000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(PREFIX.length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
  });
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
}

/**
 * Signatures of what others send to hooks, in three shapes: GitHub's, Stripe's, and that of Standard Webhooks. Each is an
 * HMAC-SHA256 of the body as it came, of the latter two with an instant ahead of it. What is wrong is never told.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { HookScheme } from "../domain/hook.ts";

/** What the headers of a request say, before its body is there. */
export interface SignatureClaim {
  scheme: HookScheme;
  /** Any of them will do: senders sign with several secrets while they change them. */
  signatures: Buffer[];
  /** Signed ahead of the body. */
  prefix: string;
  /** When it was signed; undefined: the scheme does not say. */
  atMs: number | undefined;
  /** Of the delivery; GitHub's is not signed. */
  id: string | undefined;
}

type ReadHeader = (name: string) => string | undefined;

const SIGNATURE_BYTES = 32;
/** More than any sender has secrets. */
const MAX_SIGNATURES = 16;
const ID = /^[\x21-\x7e]{1,200}$/;
/** What is signed ends it with a full stop: with another in it, it could be read as a shorter id. */
const STANDARD_ID = /^[\x21-\x2d\x2f-\x7e]{1,200}$/;
/** Others sign in Stripe's shape, and their ids are of whatever the body is about. */
const STRIPE_EVENT_ID = /^evt_[\x21-\x7e]{1,196}$/;
const SECONDS = /^\d{1,12}$/;
const HEX = /^[0-9a-f]{64}$/i;
const BASE64 = /^[A-Za-z0-9+/]{43}=$/;
const STANDARD_PREFIX = "whsec_";

/** Undefined where a header is missing or has another form. */
export function readSignature(scheme: HookScheme, header: ReadHeader): SignatureClaim | undefined {
  const claim = READERS[scheme](header);
  if (!claim || claim.signatures.length === 0 || claim.signatures.length > MAX_SIGNATURES) return undefined;
  return { scheme, ...claim };
}

const READERS: Record<HookScheme, (header: ReadHeader) => Omit<SignatureClaim, "scheme"> | undefined> = {
  github(header) {
    const hex = header("x-hub-signature-256")?.match(/^sha256=(.*)$/)?.[1] ?? "";
    const id = header("x-github-delivery");
    if (!HEX.test(hex) || (id !== undefined && !ID.test(id))) return undefined;
    return { signatures: [Buffer.from(hex, "hex")], prefix: "", atMs: undefined, id };
  },
  stripe(header) {
    const parts = (header("stripe-signature") ?? "").split(",").map((part) => part.trim().split("="));
    const values = (key: string) => parts.flatMap(([name, value = ""]) => (name === key ? [value] : []));
    const [seconds, ...others] = values("t");
    if (!seconds || others.length > 0 || !SECONDS.test(seconds)) return undefined;
    const signatures = values("v1").flatMap((hex) => (HEX.test(hex) ? [Buffer.from(hex, "hex")] : []));
    return { signatures, prefix: `${seconds}.`, atMs: Number(seconds) * 1_000, id: undefined };
  },
  "standard-webhooks"(header) {
    const id = header("webhook-id") ?? "";
    const seconds = header("webhook-timestamp") ?? "";
    if (!STANDARD_ID.test(id) || !SECONDS.test(seconds)) return undefined;
    const signatures = (header("webhook-signature") ?? "").split(" ").flatMap((part) => {
      const [version, text = ""] = part.split(",");
      return version === "v1" && BASE64.test(text) ? [Buffer.from(text, "base64")] : [];
    });
    return { signatures, prefix: `${id}.${seconds}.`, atMs: Number(seconds) * 1_000, id };
  },
};

/** Whether it was signed within `toleranceMs` of now, before or after; also where the scheme does not say when. */
export const isTimely = ({ atMs }: SignatureClaim, toleranceMs: number, nowMs: number): boolean =>
  atMs === undefined || Math.abs(nowMs - atMs) <= toleranceMs;

/** Whether one of its signatures is by one of the keys. Compares all of them, in constant time. */
export function isSignedBy(keys: readonly Buffer[], claim: SignatureClaim, body: Buffer): boolean {
  let isSigned = false;
  for (const key of keys) {
    const expected = createHmac("sha256", key).update(claim.prefix).update(body).digest();
    for (const signature of claim.signatures)
      if (signature.length === SIGNATURE_BYTES && timingSafeEqual(signature, expected)) isSigned = true;
  }
  return isSigned;
}

/**
 * The key in a secret; undefined where the secret has not the form of this scheme. An empty key is refused, because
 * anybody can sign with it. A line break at the end, as files and `echo` leave it, is not part of the secret.
 */
export function toSigningKey(scheme: HookScheme, secret: string): Buffer | undefined {
  const line = secret.replace(/\r?\n$/, "");
  const key = scheme === "standard-webhooks" ? readStandardKey(line) : Buffer.from(line);
  return key.length > 0 ? key : undefined;
}

function readStandardKey(secret: string): Buffer {
  const text = secret.startsWith(STANDARD_PREFIX) ? secret.slice(STANDARD_PREFIX.length) : secret;
  // What is no base64 would be read as less than it says.
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
}

/**
 * What tells a delivery from others, for one that is sent again: the scheme's id, or that of Stripe's event; else what was
 * signed. Undefined where the sender says nothing: the same body may then mean another event. Call it once it is verified.
 */
export function identifyDelivery(claim: SignatureClaim, body: Buffer): string | undefined {
  if (claim.id !== undefined) return claim.id;
  if (claim.atMs === undefined) return undefined;
  const eventId = readEventId(body);
  if (eventId !== undefined) return eventId;
  return `sha256:${createHash("sha256").update(claim.prefix).update(body).digest("hex")}`;
}

function readEventId(body: Buffer): string | undefined {
  try {
    const { id } = JSON.parse(body.toString()) as { id?: unknown };
    return typeof id === "string" && STRIPE_EVENT_ID.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

import type { IncomingHttpHeaders } from "node:http";

/** Framing and hop-by-hop fields belong to the connection; `host` to the URL. */
const RESERVED = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "expect",
  "keep-alive",
  "te",
  "trailer",
]);

export function isReservedHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return RESERVED.has(lower) || lower.startsWith("proxy-");
}

/** Names that most requests have, as http tasks and `fetch` write them: looked up before any is put in lower case. */
const USUAL_SENDABLE = new Set([
  ...["User-Agent", "Idempotency-Key", "traceparent", "Content-Type", "Authorization", "Accept"],
  ...["Bellhop-Run-Id", "Bellhop-Task-Id", "Bellhop-Attempt", "Bellhop-Scheduled-At"],
  ...["user-agent", "content-type", "authorization", "accept"],
]);

function isSendable(name: string): boolean {
  return USUAL_SENDABLE.has(name) || !isReservedHeader(name);
}

/** A copy without the reserved fields. */
export function sendableHeaders(given: Readonly<Record<string, string>>): Record<string, string> {
  const sent: Record<string, string> = {};
  for (const name in given) if (isSendable(name)) sent[name] = given[name]!;
  return sent;
}

export function hasHeader(headers: Readonly<Record<string, string>>, lowerName: string): boolean {
  for (const name in headers) if (name.toLowerCase() === lowerName) return true;
  return false;
}

/** A copy without the fields whose lower-case name `drop` holds. */
export function omitHeaders(
  headers: Readonly<Record<string, string>>,
  drop: (lowerName: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !drop(name.toLowerCase())));
}

/** A copy with the values that `map` makes of them; a field of which it makes none is left out. */
export function mapHeaders(
  headers: Readonly<Record<string, string>>,
  map: (name: string, value: string) => string | undefined,
): Record<string, string> {
  const mapped: Record<string, string> = {};
  for (const name in headers) {
    const value = map(name, headers[name]!);
    if (value !== undefined) mapped[name] = value;
  }
  return mapped;
}

/** One string a field: repeated fields are joined with a comma. */
export function joinHeaders(received: IncomingHttpHeaders): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const name in received) {
    const value = received[name];
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return joined;
}

/** Whoever passes the response on must not say of decoded bytes that they are encoded, how many those were, or offer parts. */
const OF_ENCODED_BYTES = new Set([
  "content-encoding",
  "content-length",
  "content-digest",
  "repr-digest",
  "digest",
  "content-md5",
  "accept-ranges",
]);

/**
 * What a field of an encoded response says of its decoded bytes; undefined: nothing. A strong entity tag is of exactly
 * the bytes that were sent: of these it is a weak one.
 */
export function toDecodedField(name: string, value: string): string | undefined {
  const lower = name.toLowerCase();
  if (OF_ENCODED_BYTES.has(lower)) return undefined;
  return lower === "etag" && value.startsWith('"') ? `W/${value}` : value;
}

/** A caller's HTTP request, as it is kept for the worker that makes the call later. */
import type { StoredRequest } from "../core/domain/stored-request.ts";
import { BellhopError } from "../core/errors.ts";

const MAX_HEADERS = 100;
const MAX_VALUE_CHARS = 8_192;

/** Of the connection they came by, and what says who the caller is to Bellhop. */
const DROPPED = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "authorization",
  "cookie",
]);

/** @param url absolute, as the function is to see it. 431 where the headers are too large. */
export function toStoredRequest(url: string, { method, headers }: Request, body: ArrayBuffer): StoredRequest {
  const named = new Set(
    (headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase()),
  );
  const kept = [...headers].filter(([name]) => !DROPPED.has(name) && !named.has(name));
  if (kept.length > MAX_HEADERS || kept.some(([, value]) => value.length > MAX_VALUE_CHARS)) {
    const message = `A request has at most ${MAX_HEADERS} headers of ${MAX_VALUE_CHARS} characters each.`;
    throw new BellhopError("headers_too_large", 431, message);
  }
  return { method, url, headers: kept, body: Buffer.from(body).toString("base64") };
}

/** A caller's HTTP request, as it is kept for the worker that makes the call later. */
import type { StoredRequest } from "../../core/domain/stored-request.ts";
import { BellhopError } from "../../core/errors.ts";
import { nameClient } from "../http/client-address.ts";
import { isPassedOn } from "../http/hop-by-hop.ts";

export const MAX_STORED_HEADERS = 100;
export const MAX_STORED_VALUE_CHARS = 8_192;

/** What says who the caller is, to Bellhop or to its origin. */
const DROPPED = new Set(["authorization", "cookie"]);

/** @param url absolute, as the function is to see it. 431 where the headers are too large. */
export function toStoredRequest(
  url: string,
  { method, headers }: Request,
  client: string | null,
  body: Buffer,
): StoredRequest {
  const connection = headers.get("connection");
  const kept = [...headers].filter(([name]) => !DROPPED.has(name) && isPassedOn(name, connection));
  if (kept.length > MAX_STORED_HEADERS || kept.some(([, value]) => value.length > MAX_STORED_VALUE_CHARS)) {
    const message = `A request has at most ${MAX_STORED_HEADERS} headers of ${MAX_STORED_VALUE_CHARS} characters each.`;
    throw new BellhopError("headers_too_large", 431, message);
  }
  return { method, url, headers: nameClient(kept, client), body: body.toString("base64") };
}

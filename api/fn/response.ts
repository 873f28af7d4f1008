import type { HttpResponseHead } from "../../core/contracts/http-call.ts";
import { isPassedOn } from "../http/hop-by-hop.ts";

/** Said by the server itself. */
const OWN = new Set(["content-length", "bellhop-run-id"]);
/** By it a function's service worker would stand in front of the whole origin, the console included. */
const WITHHELD = "service-worker-allowed";
const NULL_BODY = new Set([204, 205, 304]);

/** What the function answered, as it goes to the caller. */
export function toFnResponse(
  { status, headers }: HttpResponseHead,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  runId: string,
): Response {
  const pairs = headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !OWN.has(lower) && lower !== WITHHELD && isPassedOn(lower, null);
  });
  pairs.push(["bellhop-run-id", runId]);
  const content = typeof body === "string" && pairs.some(isBeyondAscii) ? encoder.encode(body) : body;
  return new Response(NULL_BODY.has(status) ? null : content, { status, headers: toHeadersInit(pairs) });
}

const encoder = new TextEncoder();

/** Beside text such a value would go out as UTF-8, beside bytes it does as Latin-1 (core/latin1-head.ts). */
function isBeyondAscii([, value]: [string, string]): boolean {
  return /[\x80-\xff]/.test(value);
}

/** A plain record is what the server writes with the least work; a name that is there twice needs more. */
function toHeadersInit(pairs: [string, string][]): Record<string, string> | [string, string][] {
  const record: Record<string, string> = Object.create(null);
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase();
    if (Object.hasOwn(record, lower)) return pairs;
    record[lower] = value;
  }
  return record;
}

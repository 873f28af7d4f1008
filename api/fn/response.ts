import type { HttpResponseHead } from "../../core/contracts/http-call.ts";
import { isPassedOn } from "../http/hop-by-hop.ts";

/** What the function's run and the server say themselves. */
const RUN_ID = "bellhop-run-id";
const LENGTH = "content-length";
/** By it a function's service worker would stand in front of the whole origin, the console included. */
const WITHHELD = "service-worker-allowed";
const NULL_BODY = new Set([204, 205, 304]);

/** How many bytes the body of a response is to have, where its head says so. */
export function lengthOf({ status, headers }: HttpResponseHead): number | undefined {
  if (NULL_BODY.has(status)) return undefined;
  const said = headers.filter(([name]) => name.toLowerCase() === LENGTH);
  const [first] = said;
  return first && said.length === 1 && /^\d{1,15}$/.test(first[1]) ? Number(first[1]) : undefined;
}

/**
 * What the function answered, as it goes to the caller. Of a stream, and of what is not sent to a HEAD, the head says
 * how long it is; of everything else the server does.
 */
export function toFnResponse(
  head: HttpResponseHead,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  runId: string,
): Response {
  const { status, statusText = "" } = head;
  const pairs = head.headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return lower !== LENGTH && lower !== RUN_ID && lower !== WITHHELD && isPassedOn(lower, null);
  });
  const length = body === null || body instanceof ReadableStream ? lengthOf(head) : undefined;
  if (length !== undefined) pairs.push([LENGTH, `${length}`]);
  pairs.push([RUN_ID, runId]);
  const content =
    typeof body === "string" && (pairs.some(isBeyondAscii) || BEYOND_ASCII.test(statusText))
      ? encoder.encode(body)
      : body;
  return new Response(NULL_BODY.has(status) ? null : content, { status, headers: toHeadersInit(pairs) });
}

const encoder = new TextEncoder();

/** Beside text such a value would go out as UTF-8, beside bytes it does as Latin-1 (core/latin1-head.ts). */
const BEYOND_ASCII = /[\x80-\xff]/;

function isBeyondAscii([, value]: [string, string]): boolean {
  return BEYOND_ASCII.test(value);
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

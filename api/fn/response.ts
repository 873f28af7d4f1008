import type { HttpResponseHead } from "../../core/contracts/http-call.ts";
import { isPassedOn } from "../hop-by-hop.ts";

/** Said by the server itself. */
const OWN = new Set(["content-length", "bellhop-run-id"]);
const NULL_BODY = new Set([204, 205, 304]);

/** What the function answered, as it goes to the caller. */
export function toFnResponse(
  { status, headers }: HttpResponseHead,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  runId: string,
): Response {
  const sent = new Headers();
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!OWN.has(lower) && isPassedOn(lower, null)) sent.append(name, value);
  }
  sent.set("bellhop-run-id", runId);
  return new Response(NULL_BODY.has(status) ? null : body, { status, headers: sent });
}

import type { HttpResponseHead } from "../../core/contracts/http-call.ts";

/** Of one connection only, or said by the server itself. */
const LEFT_OUT = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "bellhop-run-id",
]);
const NULL_BODY = new Set([204, 205, 304]);

/** What the function answered, as it goes to the caller. */
export function toFnResponse(
  { status, headers }: HttpResponseHead,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
  runId: string,
): Response {
  const sent = new Headers();
  for (const [name, value] of headers) if (!LEFT_OUT.has(name.toLowerCase())) sent.append(name, value);
  sent.set("bellhop-run-id", runId);
  return new Response(NULL_BODY.has(status) ? null : body, { status, headers: sent });
}

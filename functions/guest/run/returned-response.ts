/**
 * The Response that a function answers to a task or an invocation: nobody is there to whom it could stream, so the run's
 * result has it, in the form that a short response over HTTP has.
 */
import { encodeBase64 } from "../web/base64.ts";
import type { Body } from "../web/body.ts";
import { decodeIsomorphic } from "../web/encoding.ts";
import { responsePartsOf } from "../web/response.ts";
import { joinBytes } from "../web/streams.ts";
import { NativeBytes, NativeTypeError } from "./primordials.ts";

type GuestResponse = Parameters<typeof responsePartsOf>[0];

/**
 * `body` is text; where it is none, `bodyBase64` takes its place. Undefined where the body has more than `maxBytes`;
 * rejects where it was read before.
 */
export async function toReturnedResponse(
  response: GuestResponse,
  maxBytes: number,
): Promise<object | undefined> {
  const { status, headers, body } = responsePartsOf(response);
  const bytes = body === null ? new NativeBytes(0) : await readAtMost(body, maxBytes);
  if (bytes === undefined) return undefined;
  const pairs = headers.map(([name, value]) => [name, value]);
  try {
    return {
      status,
      headers: pairs,
      body: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    };
  } catch {
    return { status, headers: pairs, bodyBase64: encodeBase64(decodeIsomorphic(bytes)) };
  }
}

/** A stream without end is not read to it. */
async function readAtMost(body: Body, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (body.isUnusable) throw new NativeTypeError("The response's body was already read");
  const source = body.toSource();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
    total += chunk.byteLength;
    if (total > maxBytes) {
      source.cancel(undefined);
      return undefined;
    }
    chunks.push(chunk);
  }
  return joinBytes(chunks, total);
}

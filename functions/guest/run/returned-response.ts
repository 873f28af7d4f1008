/**
 * The Response that a function answers to a task or an invocation: nobody is there to whom it could stream, so the run's
 * result has it, in the form that a short response over HTTP has.
 */
import { encodeBase64 } from "../web/base64.ts";
import { decodeIsomorphic } from "../web/encoding.ts";
import { responsePartsOf } from "../web/response.ts";
import { NativeBytes } from "./primordials.ts";

type GuestResponse = Parameters<typeof responsePartsOf>[0];

/** `body` is text; where it is none, `bodyBase64` takes its place. Rejects where the body was read before. */
export async function toReturnedResponse(response: GuestResponse): Promise<object> {
  const { status, headers } = responsePartsOf(response);
  const bytes = new NativeBytes(await (response as unknown as globalThis.Response).arrayBuffer());
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

/** Undoes the content encodings of a body that is at hand, as far as it is wanted. */
import { type DecodeLimits, decodeBody, hasTooManyCodings, readCodings } from "./decode-body.ts";
import type { Exchanged } from "./exchange.ts";
import { mapHeaders, toDecodedField } from "./headers.ts";

/** How much more than is wanted may come to light between two codings. */
const SLACK = 16;

export interface Decoded extends Exchanged {
  /** The body is as it was sent: its encoding is unknown, broken, or takes more memory than there is. */
  isEncoded: boolean;
}

/** Never rejects: the answer itself is there. @param limitsOf asked where there is something to undo */
export async function decodeGathered(
  exchanged: Exchanged,
  maxBytes: number,
  limitsOf: () => Pick<DecodeLimits, "take" | "signal">,
): Promise<Decoded> {
  const encoding = exchanged.headers["content-encoding"] ?? "";
  const codings = readCodings(encoding);
  if (codings.length === 0) return { ...exchanged, isEncoded: !/^(?:[\s,]|identity)*$/i.test(encoding) };
  if (hasTooManyCodings(codings)) return { ...exchanged, isEncoded: true };
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    const decoded = decodeBody(once(exchanged.body), codings, {
      bound: (chunks) => atMost(chunks, SLACK * maxBytes),
      wanted: async () => {},
      ...limitsOf(),
    });
    for await (const chunk of decoded) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) break;
    }
  } catch {
    // Of one that was cut short, what comes before the cut is as good as if it had been cut later.
    if (!exchanged.truncated || bytes === 0) return { ...exchanged, isEncoded: true };
  }
  return {
    ...exchanged,
    headers: mapHeaders(exchanged.headers, toDecodedField),
    body: Buffer.concat(chunks).subarray(0, maxBytes),
    truncated: exchanged.truncated || bytes > maxBytes,
    isEncoded: false,
  };
}

async function* once(body: Buffer): AsyncGenerator<Buffer> {
  if (body.length > 0) yield body;
}

async function* atMost(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes come to light`);
    yield chunk;
  }
}

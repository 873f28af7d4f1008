/** A call's request as the row of its run holds it. */
import type { StoredRequestInput } from "../../core/domain/stored-request.ts";
import { BellhopError } from "../../core/errors.ts";
import type { CallBody } from "./call-body.ts";

/** A request that waits in the queue is a row: its body is bounded. */
export const MAX_QUEUED_BODY_BYTES = 1_000_000;

/**
 * The whole of it, which stands nowhere else any more: it is let go of once it is a row.
 * @param refuseLong what to say of one that is too long for a row
 */
export async function takeRequest(body: CallBody, refuseLong = bodyTooLarge): Promise<StoredRequestInput> {
  const { body: text = "", ...head } = body.sent;
  body.sent = head;
  const content = body.body ? await readWhole(body, refuseLong) : Buffer.from(text);
  body.held.reach(content.byteLength);
  const { method, url, headers } = head;
  return { request: { method, url, headers, body: content.toString("base64") } };
}

async function readWhole({ body, held }: CallBody, refuseLong: () => BellhopError): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (let chunk = await body!.read(); chunk; chunk = await body!.read()) {
      bytes += chunk.byteLength;
      if (bytes > MAX_QUEUED_BODY_BYTES) throw refuseLong();
      held.reach(bytes);
      chunks.push(chunk);
    }
  } catch (error) {
    body!.ignoreRate();
    throw error;
  }
  return Buffer.concat(chunks);
}

function bodyTooLarge(): BellhopError {
  return new BellhopError(
    "body_too_large",
    413,
    `A request that waits in the queue holds at most ${MAX_QUEUED_BODY_BYTES} bytes.`,
  );
}

/**
 * What an executor says about HTTP calls, checked field by field: it may have been taken over. What an author can cause
 * by himself (a head that is none) passes here and fails his run instead.
 */
import { CALL_CHUNK_BYTES, CALL_WINDOW_BYTES, type CallSay } from "../../protocol/call-messages.ts";
import { isBase64Chunk, isCount } from "../../protocol/wire-values.ts";

/** A new object of the known fields alone, or undefined where the value is none of these. */
export function readCallSay(value: Record<string, unknown>): CallSay | undefined {
  const { t, id } = value;
  if (!isCount(id)) return undefined;
  switch (t) {
    case "call-head":
      return { t, id, head: value["head"] };
    case "call-data": {
      const { base64 } = value;
      return isBase64Chunk(base64, CALL_CHUNK_BYTES) ? { t, id, base64 } : undefined;
    }
    case "call-pull": {
      const { bytes } = value;
      return isCount(bytes) && bytes > 0 && bytes <= CALL_WINDOW_BYTES ? { t, id, bytes } : undefined;
    }
    case "call-end":
      return { t, id };
    default:
      return undefined;
  }
}

/**
 * What an executor says about HTTP calls, checked field by field: it may have been taken over. What an author can cause
 * by himself (a head that is none) passes here and fails his run instead.
 */
import { CALL_CHUNK_BYTES, CALL_WINDOW_BYTES, type CallSay } from "../call-messages.ts";

const MAX_BASE64_CHARS = Math.ceil(CALL_CHUNK_BYTES / 3) * 4;

/** A new object of the known fields alone, or undefined where the value is none of these. */
export function readCallSay(value: Record<string, unknown>): CallSay | undefined {
  const { t, id } = value;
  if (!isCount(id)) return undefined;
  switch (t) {
    case "call-head":
      return { t, id, head: value["head"] };
    case "call-data": {
      const { base64 } = value;
      return isChunk(base64) ? { t, id, base64 } : undefined;
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

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isChunk(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value.length <= MAX_BASE64_CHARS &&
    value.length % 4 === 0 &&
    /^[A-Za-z0-9+/]*={0,2}$/.test(value) &&
    Buffer.byteLength(value, "base64") <= CALL_CHUNK_BYTES
  );
}

/**
 * What an executor says about HTTP calls, checked field by field: it may have been taken over. What an author can cause
 * by himself (a head that is none) passes here and fails his run instead.
 */
import { CALL_CHUNK_BYTES, CALL_WINDOW_BYTES, type CallSay } from "../../protocol/call-messages.ts";
import { isBase64Chunk, isCount } from "../../protocol/wire-values.ts";

/** A new object of the known fields alone, or undefined where the value is none of these. */
export function readCallSay(value: Record<string, unknown>): CallSay | undefined {
  const { t, id } = value;
  if (!isCount(id) || !isKind(t)) return undefined;
  return READERS[t](id, value);
}

type Readers = {
  [Kind in CallSay["t"]]: (
    id: number,
    value: Record<string, unknown>,
  ) => Extract<CallSay, { t: Kind }> | undefined;
};

const READERS: Readers = {
  "call-head": (id, { head }) => ({ t: "call-head", id, head }),
  "call-data": (id, { base64 }) =>
    isBase64Chunk(base64, CALL_CHUNK_BYTES) ? { t: "call-data", id, base64 } : undefined,
  "call-pull": (id, { bytes }) =>
    isCount(bytes) && bytes > 0 && bytes <= CALL_WINDOW_BYTES ? { t: "call-pull", id, bytes } : undefined,
  "call-end": (id) => ({ t: "call-end", id }),
};

function isKind(kind: unknown): kind is CallSay["t"] {
  return typeof kind === "string" && Object.hasOwn(READERS, kind);
}

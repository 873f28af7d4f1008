/**
 * What an executor says about fetches, checked field by field: it may have been taken over. What an author can cause
 * by himself (a URL too long, a header that cannot be sent) passes here and fails his fetch instead.
 */
import {
  FETCH_CHUNK_BYTES,
  FETCH_WINDOW_BYTES,
  type FetchAsk,
  type FetchRequestHead,
} from "../../protocol/fetch-messages.ts";
import { isBase64Chunk, isCount } from "../../protocol/wire-values.ts";

const MAX_METHOD_CHARS = 100;
const MAX_HEADERS = 10_000;
const REDIRECTS = ["follow", "manual", "error"] as const;

/** A new object of the known fields alone, or undefined where the value is no ask. */
export function readFetchAsk(value: Record<string, unknown>): FetchAsk | undefined {
  const { t, id, no } = value;
  if (!isCount(id) || !isCount(no) || no === 0) return undefined;
  switch (t) {
    case "fetch": {
      const head = readHead(value["head"]);
      return head && { t, id, no, head };
    }
    case "fetch-data": {
      const { base64 } = value;
      return isBase64Chunk(base64, FETCH_CHUNK_BYTES) ? { t, id, no, base64 } : undefined;
    }
    case "fetch-pull": {
      const { bytes } = value;
      return isCount(bytes) && bytes > 0 && bytes <= FETCH_WINDOW_BYTES ? { t, id, no, bytes } : undefined;
    }
    case "fetch-body-end":
    case "fetch-read":
    case "fetch-cancel":
      return { t, id, no };
    default:
      return undefined;
  }
}

function readHead(value: unknown): FetchRequestHead | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { method, url, headers, redirect, hasBody } = value as Record<string, unknown>;
  if (typeof method !== "string" || method.length === 0 || method.length > MAX_METHOD_CHARS) return undefined;
  if (typeof url !== "string" || !isHeaders(headers) || typeof hasBody !== "boolean") return undefined;
  const known = REDIRECTS.find((each) => each === redirect);
  return known && { method, url, headers, redirect: known, hasBody };
}

function isHeaders(value: unknown): value is [string, string][] {
  return Array.isArray(value) && value.length <= MAX_HEADERS && value.every(isPair);
}

function isPair(value: unknown): boolean {
  return (
    Array.isArray(value) && value.length === 2 && typeof value[0] === "string" && typeof value[1] === "string"
  );
}

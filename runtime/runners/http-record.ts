/** What of a response is kept with the run. Everything a stranger's server sends is bounded here. */
import type { EgressResponse } from "../../core/egress/egress.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { findTextFault } from "../../core/storable-text.ts";
import { decodeText } from "./response-text.ts";

export const MAX_RECORDED_BODY_BYTES = 64 * 1024;
export const MAX_RECORDED_HEADERS = 64;
export const MAX_RECORDED_HEADER_CHARS = 8 * 1024;
const NOT_SEARCHED = "[redacted: an encoded body cannot be searched for secrets]";
/** Deeper JSON is kept as text: parsers further on recurse. */
const MAX_JSON_DEPTH = 100;

/**
 * `{ status, headers, body, truncated? }`: `body` is parsed JSON where the type says JSON and it is whole, valid and can
 * be stored, else text where it is any, else `{ base64 }`. `truncated` appears, as true, only when there was more.
 * @param keepsEncoded whether a body that could not be decoded is kept: no secret would be found in it
 */
export function recordResponse(response: EgressResponse, keepsEncoded = true): JsonObject {
  const { status, headers, truncated } = response;
  return {
    status,
    headers: recordHeaders(headers),
    body: response.isEncoded && !keepsEncoded ? NOT_SEARCHED : recordBody(response),
    ...(truncated ? { truncated: true } : {}),
  };
}

/** As many as fit; `set-cookie` is a credential and stays out. */
function recordHeaders(headers: Record<string, string>): Record<string, string> {
  const kept: Record<string, string> = {};
  let count = 0;
  let chars = 0;
  for (const name in headers) {
    if (name === "set-cookie") continue;
    const value = headers[name]!;
    chars += name.length + value.length;
    if (++count > MAX_RECORDED_HEADERS || chars > MAX_RECORDED_HEADER_CHARS) break;
    kept[name] = value;
  }
  return kept;
}

function recordBody({ body, headers, isEncoded, truncated }: EgressResponse): Json {
  const contentType = headers["content-type"] ?? "";
  const text = isEncoded ? undefined : decodeText(body, contentType, truncated);
  if (text === undefined) return { base64: body.toString("base64") };
  return truncated || !/^[^;]*[/+]json\s*(?:;|$)/i.test(contentType) ? text : parseJson(text);
}

/** The value, or the text itself where it is no valid or reasonable JSON, or escapes what cannot be stored. */
function parseJson(text: string): Json {
  try {
    const value = JSON.parse(text) as Json;
    return isDeeperThan(value, MAX_JSON_DEPTH) || findTextFault(value, text) ? text : value;
  } catch {
    return text;
  }
}

function isDeeperThan(value: Json, levels: number): boolean {
  if (value === null || typeof value !== "object") return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => isDeeperThan(inner, levels - 1));
}

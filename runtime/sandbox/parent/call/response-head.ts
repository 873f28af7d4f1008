/** What an author's code answers may have been made by anything: here it becomes something that can be sent, or nothing. */

import type { HttpResponseHead } from "../../../../core/contracts/http-call.ts";
import { MAX_CALL_HEADER_BYTES } from "../../protocol/call-messages.ts";

const MAX_HEADERS = 1_000;
/** RFC 9110: a token. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Undefined where it is no status from 200 to 599 with headers that can be sent. */
export function toResponseHead(value: unknown): HttpResponseHead | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { status, statusText = "", headers } = value as Record<string, unknown>;
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) return undefined;
  if (typeof statusText !== "string" || !VALUE.test(statusText)) return undefined;
  if (!Array.isArray(headers) || headers.length > MAX_HEADERS || !headers.every(isHeader)) return undefined;
  const pairs = headers.map(([name, text]): [string, string] => [name, text]);
  const bytes = pairs.reduce((sum, [name, text]) => sum + name.length + text.length, statusText.length);
  if (bytes > MAX_CALL_HEADER_BYTES) return undefined;
  return { status: status as number, ...(statusText === "" ? {} : { statusText }), headers: pairs };
}

function isHeader(pair: unknown): pair is [string, string] {
  if (!Array.isArray(pair) || pair.length !== 2) return false;
  const [name, value] = pair as unknown[];
  return typeof name === "string" && typeof value === "string" && NAME.test(name) && VALUE.test(value);
}

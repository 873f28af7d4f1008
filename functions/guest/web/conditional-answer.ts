/** What a cache answers of a response that it keeps to a request with conditions, or for a part (RFC 9110). Pure. */
import type { HeaderList } from "./headers.ts";

export type Answered =
  | { kind: "whole" }
  | { kind: "not modified" }
  /** Bytes from the first to the last, which is counted. */
  | { kind: "part"; first: number; last: number }
  | { kind: "no such part" };

const WHOLE: Answered = { kind: "whole" };

/** @param bytes as long as the kept response is */
export function decideAnswer(
  asked: Pick<Headers, "get">,
  kept: Pick<HeaderList, "get">,
  bytes: number,
): Answered {
  if (isUnmodified(asked, kept)) return { kind: "not modified" };
  const range = asked.get("range");
  if (range === null || !isOfSameResponse(asked.get("if-range"), kept)) return WHOLE;
  return readRange(range, bytes);
}

function isUnmodified(asked: Pick<Headers, "get">, kept: Pick<HeaderList, "get">): boolean {
  const tags = asked.get("if-none-match");
  if (tags !== null) {
    const own = kept.get("etag");
    if (tags.trim() === "*") return true;
    return own !== null && (tags.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => opaque(tag) === opaque(own));
  }
  return toTime(kept.get("last-modified")) <= toTime(asked.get("if-modified-since"));
}

/** Of tags that may be weak. */
const opaque = (tag: string) => tag.trim().replace(/^W\//, "");

/** NaN, which compares with nothing, where it is no date. */
const toTime = (date: string | null) => Date.parse(date ?? "");

function isOfSameResponse(ifRange: string | null, kept: Pick<HeaderList, "get">): boolean {
  if (ifRange === null) return true;
  if (ifRange.includes('"')) return !/^\s*W\//.test(ifRange) && ifRange.trim() === kept.get("etag")?.trim();
  return toTime(ifRange) === toTime(kept.get("last-modified"));
}

/** Several parts at once are more than anybody has to give: the whole is answered. */
function readRange(range: string, bytes: number): Answered {
  const [, from, to] = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(range) ?? [];
  if (from === undefined || to === undefined || from + to === "") return WHOLE;
  if (from === "") {
    const first = Math.max(bytes - Number(to), 0);
    return first < bytes ? { kind: "part", first, last: bytes - 1 } : { kind: "no such part" };
  }
  if (to !== "" && Number(to) < Number(from)) return WHOLE;
  const last = Math.min(to === "" ? Number.POSITIVE_INFINITY : Number(to), bytes - 1);
  return Number(from) <= last ? { kind: "part", first: Number(from), last } : { kind: "no such part" };
}

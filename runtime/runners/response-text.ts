/** The bytes of a response as text: by their byte order mark, by the charset that its type names, or as UTF-8. */
import { isUtf8 } from "node:buffer";
import { TextDecoder } from "node:util";

const MARKS: [string, number[]][] = [
  ["utf-8", [0xef, 0xbb, 0xbf]],
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
];
/** Of these, what names no charset and is no UTF-8 is taken for windows-1252, as browsers do. */
const TEXT_TYPE = /^text\/|^application\/(?:.*[+-])?(?:json|xml|javascript|x-www-form-urlencoded)\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;]+))/i;

/** Undefined for what is no text, or holds U+0000. A character cut in two by the cap is left off. */
export function decodeText(body: Buffer, contentType: string, isCut: boolean): string | undefined {
  const text = decode(body, contentType, isCut);
  return text?.includes("\0") ? undefined : text;
}

function decode(body: Buffer, contentType: string, isCut: boolean): string | undefined {
  const mark = isMarked(body)
    ? MARKS.find(([, bytes]) => bytes.every((byte, at) => body[at] === byte))
    : undefined;
  const named = CHARSET.exec(contentType);
  const charset = mark?.[0] ?? named?.[1] ?? named?.[2];
  const decoder = charset === undefined ? undefined : createDecoder(charset);
  if (decoder) return tryDecode(decoder, body, isCut);
  const text = isUtf8(body) ? body.toString() : tryDecode(createDecoder("utf-8")!, body, isCut);
  if (text !== undefined || !TEXT_TYPE.test(contentType)) return text;
  return tryDecode(createDecoder("windows-1252")!, body, isCut);
}

/** Each mark begins above ASCII. */
const isMarked = (body: Buffer): boolean => body.length > 0 && body[0]! >= 0x80;

/** Undefined for a charset that nobody knows. */
function createDecoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label, { fatal: true });
  } catch {
    return undefined;
  }
}

function tryDecode(decoder: TextDecoder, body: Buffer, isCut: boolean): string | undefined {
  try {
    return decoder.decode(body, { stream: isCut });
  } catch {
    return undefined;
  }
}

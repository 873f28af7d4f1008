/** atob and btoa of the HTML standard. */
import { domException } from "./dom-exception.ts";
import { decodeIsomorphic } from "./encoding.ts";
import { defineOperation, requireArguments, toDomString } from "./webidl.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUES = new Uint8Array(128).fill(255);
for (let i = 0; i < 64; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** Forgiving decode; undefined where it is no base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let data = text.replace(/[\t\n\f\r ]+/g, "");
  if (data.length % 4 === 0) data = data.replace(/={1,2}$/, "");
  if (data.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((data.length * 3) / 4));
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < data.length; i++) {
    const code = data.charCodeAt(i);
    const value = code < 128 ? VALUES[code]! : 255;
    if (value === 255) return undefined;
    buffer = ((buffer << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = buffer >> bits;
  }
  return bytes;
}

/** Of a string whose characters are bytes. */
export function encodeBase64(binary: string): string {
  let text = "";
  for (let i = 0; i < binary.length; i += 3) {
    const [a, b, c] = [binary.charCodeAt(i), binary.charCodeAt(i + 1), binary.charCodeAt(i + 2)];
    const left = binary.length - i;
    const triple = (a << 16) | ((left > 1 ? b : 0) << 8) | (left > 2 ? c : 0);
    text += ALPHABET[triple >> 18]! + ALPHABET[(triple >> 12) & 63]!;
    text += left > 1 ? ALPHABET[(triple >> 6) & 63]! : "=";
    text += left > 2 ? ALPHABET[triple & 63]! : "=";
  }
  return text;
}

const BEYOND_BYTE = /[^\0-\xff]/;

export function installBase64(): void {
  defineOperation("btoa", function btoa(data: unknown) {
    requireArguments(arguments.length, 1, "btoa");
    const binary = toDomString(data);
    if (BEYOND_BYTE.test(binary)) {
      throw domException("InvalidCharacterError", "btoa takes characters up to U+00FF only");
    }
    return encodeBase64(binary);
  });
  defineOperation("atob", function atob(data: unknown) {
    requireArguments(arguments.length, 1, "atob");
    const bytes = decodeBase64(toDomString(data));
    if (!bytes) throw domException("InvalidCharacterError", "The string is not correctly encoded");
    return decodeIsomorphic(bytes);
  });
}

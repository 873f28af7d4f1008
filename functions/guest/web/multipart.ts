/** multipart/form-data: what a FormData becomes as a body, and back. */
import { blobBytes, fileOf, GuestBlob } from "./blob.ts";
import { decodeUtf8, decodeUtf8KeepingBom, encodeUtf8 } from "./encoding.ts";
import { formEntries, GuestFormData } from "./form-data.ts";
import { joinBytes } from "./streams.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const DASH = 45;
const CR = 13;
const LF = 10;

/** `random` is what makes the boundary unlike anything in the body. */
export function encodeMultipart(form: GuestFormData, random: string): { body: Bytes; boundary: string } {
  const boundary = `----bellhop-formdata-${random}`;
  const parts: Bytes[] = [];
  for (const [name, value] of formEntries(form)) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(normalizeLines(name))}"`;
    if (typeof value === "string") {
      parts.push(encodeUtf8(`${head}\r\n\r\n${normalizeLines(value)}\r\n`));
      continue;
    }
    const type = value.type || "application/octet-stream";
    parts.push(encodeUtf8(`${head}; filename="${escapeName(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`));
    parts.push(blobBytes(value), encodeUtf8("\r\n"));
  }
  parts.push(encodeUtf8(`--${boundary}--\r\n`));
  const total = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return { body: joinBytes(parts, total), boundary };
}

function normalizeLines(text: string): string {
  return text.replace(/\r\n?|\n/g, "\r\n");
}

function escapeName(text: string): string {
  return text.replace(/\n/g, "%0A").replace(/\r/g, "%0D").replace(/"/g, "%22");
}

/** Undefined where the bytes are no such body. */
export function decodeMultipart(bytes: Bytes, boundary: string): GuestFormData | undefined {
  const form = new GuestFormData();
  const delimiter = encodeUtf8(`--${boundary}`);
  let at = indexOfBytes(bytes, delimiter, 0);
  if (at < 0 || (at > 0 && !isLineEnd(bytes, at - 2))) return undefined;
  at += delimiter.byteLength;
  const separator = encodeUtf8(`\r\n--${boundary}`);
  for (;;) {
    if (bytes[at] === DASH && bytes[at + 1] === DASH) return form;
    while (bytes[at] === 32 || bytes[at] === 9) at++;
    if (!isLineEnd(bytes, at)) return undefined;
    at += 2;
    const headers = readPartHead(bytes, at);
    if (!headers) return undefined;
    // An empty body's separator begins with the line end that closes the head.
    const end = indexOfBytes(bytes, separator, headers.end - 2);
    if (end < 0) return undefined;
    const content = bytes.subarray(headers.end, Math.max(end, headers.end));
    addPart(form, headers, content);
    at = end + separator.byteLength;
  }
}

interface PartHead {
  name: string;
  filename: string | undefined;
  type: string;
  /** Where the content begins. */
  end: number;
}

function addPart(form: GuestFormData, { name, filename, type }: PartHead, content: Bytes): void {
  if (filename === undefined) form.append(name, decodeUtf8KeepingBom(content));
  else form.append(name, fileOf(new GuestBlob([content], { type }), filename));
}

function readPartHead(bytes: Bytes, from: number): PartHead | undefined {
  let name: string | undefined;
  let filename: string | undefined;
  let type: string | undefined;
  for (let at = from; ; ) {
    if (isLineEnd(bytes, at)) {
      if (name === undefined) return undefined;
      return { name, filename, type: filename === undefined ? "" : (type ?? "text/plain"), end: at + 2 };
    }
    let end = at;
    while (end < bytes.length && !isLineEnd(bytes, end)) end++;
    if (end >= bytes.length) return undefined;
    const line = decodeUtf8(bytes.subarray(at, end));
    const colon = line.indexOf(":");
    if (colon <= 0) return undefined;
    const header = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (header === "content-disposition") {
      if (!/^form-data\s*(?:;|$)/i.test(value)) return undefined;
      name = readParameter(value, "name");
      filename = readParameter(value, "filename");
      if (name === undefined) return undefined;
    } else if (header === "content-type") type = value;
    at = end + 2;
  }
}

function readParameter(value: string, name: string): string | undefined {
  const quoted = new RegExp(`;\\s*${name}="([^"]*)"`, "i").exec(value);
  const text = quoted?.[1] ?? new RegExp(`;\\s*${name}=([^\\s";]+)`, "i").exec(value)?.[1];
  return text?.replace(/%0A/gi, "\n").replace(/%0D/gi, "\r").replace(/%22/g, '"');
}

function isLineEnd(bytes: Bytes, at: number): boolean {
  return bytes[at] === CR && bytes[at + 1] === LF;
}

function indexOfBytes(bytes: Bytes, wanted: Bytes, from: number): number {
  const first = wanted[0]!;
  let at = bytes.indexOf(first, from);
  while (at >= 0) {
    let i = 1;
    while (i < wanted.length && bytes[at + i] === wanted[i]) i++;
    if (i === wanted.length) return at;
    at = bytes.indexOf(first, at + 1);
  }
  return -1;
}

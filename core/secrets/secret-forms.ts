/** What a secret looks like in the texts of a run. */
import { isIPv6 } from "node:net";
import { escapeHtml } from "../domain/escape-html.ts";

/** A shorter piece of a secret is no longer told from other text. */
export const MIN_FORM_CHARS = 4;
/** Of a secret of several lines each line counts that is as long. */
const MIN_LINE_CHARS = 8;

/** Each once; none is shorter than `MIN_FORM_CHARS`. */
export function formsOf(value: string): Set<string> {
  const bytes = Buffer.from(value);
  const json = JSON.stringify(value).slice(1, -1);
  const url = encodeURIComponent(value);
  const forms = new Set([
    value,
    json,
    // JSON within JSON: an object that was logged as a text.
    JSON.stringify(json).slice(1, -1),
    url,
    url.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    encodeURI(value),
    new URLSearchParams({ v: value }).toString().slice(2),
    escapeHtml(value),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    toHost(value) ?? value,
    toAbsoluteUrl(value) ?? value,
  ]);
  for (const before of [0, 1, 2]) {
    const base64 = encodeAfter(bytes, before);
    forms.add(base64);
    forms.add(base64.replaceAll("+", "-").replaceAll("/", "_"));
  }
  const lines = value.split(/[\r\n]+/);
  if (lines.length > 1) for (const line of lines) if (line.length >= MIN_LINE_CHARS) forms.add(line);
  for (const form of forms) if (form.length < MIN_FORM_CHARS) forms.delete(form);
  return forms;
}

/** Of a host, with or without a port: letters of any language, and what addresses are written with. */
const HOST = /^[\p{L}\p{M}\p{N}._:[\]-]{1,253}$/u;

/**
 * What a URL makes of a secret that can be its host, or a part of that: small letters, Punycode, a short address. A number
 * stands for an address, too: `2130706433` is 127.0.0.1.
 */
function toHost(value: string): string | undefined {
  if (value.length < MIN_FORM_CHARS) return undefined;
  if (isIPv6(value)) return URL.parse(`http://[${value}]/`)?.hostname.slice(1, -1);
  return HOST.test(value) ? URL.parse(`http://${value}/`)?.host : undefined;
}

/** What is written of a secret that is a URL once it was read as one. */
function toAbsoluteUrl(value: string): string | undefined {
  return /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? URL.parse(value)?.href : undefined;
}

/** The characters of base64 that do not depend on what stands before, so many bytes (mod 3), or behind. */
function encodeAfter(bytes: Buffer, before: number): string {
  const base64 = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
  const from = Math.ceil((before * 8) / 6);
  const to = Math.floor(((before + bytes.length) * 8) / 6);
  return base64.slice(from, to);
}

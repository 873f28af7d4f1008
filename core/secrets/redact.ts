/**
 * Takes secrets out of what a run says: as they are, and as JSON, URLs, HTML, base64 and hex write them. The matcher is built
 * once for an env; where three characters begin no form of any secret, a look into a small table is all that is done.
 */
import { domainToASCII, domainToUnicode } from "node:url";
import type { Json } from "../json.ts";
import { formsOf, MIN_FORM_CHARS } from "./secret-forms.ts";

export interface Redactor {
  text(text: string): string;
  /** Strings, keys and numbers, however deep. */
  value<T extends Json>(value: T): T;
  /** The host of a URL: parsing has lower-cased it, and written letters beyond ASCII as Punycode. */
  host(host: string): string;
}

interface Form {
  text: string;
  name: string;
}

interface Match {
  from: number;
  to: number;
  name: string;
  /** Of the longest form in it. */
  chars: number;
}

const TABLE_SIZE = 16_384;
const MAX_DEPTH = 200;
/** Work on a text, in characters compared: beyond it the text is given up. Only a text made for it comes near. */
const WORK_PER_CHAR = 64;
const WORK_FREE = 200_000;
const GIVEN_UP = "[redacted: this text could not be searched for secrets]";
const TOO_DEEP = "[redacted: nested too deep to be searched for secrets]";
/** Stands behind what the sandbox has cut, also where that is a part of a text: one of several values of a line. */
const CUT = "…";
/** How texts end that the sandbox has cut. */
const CUT_MARK = /\u2026 \(cut, \d+ characters in all\)$|\u2026$/;
/** A longer text may have been cut without a mark. */
const UNMARKED_CUT_CHARS = 2_700;

export const NOTHING_TO_REDACT: Redactor = {
  text: (text) => text,
  value: (value) => value,
  host: (host) => host,
};

/** @param secrets by name; a name may be there twice */
export function createRedactor(secrets: Iterable<readonly [name: string, value: string]>): Redactor {
  const forms: Form[] = [];
  for (const [name, value] of secrets) {
    for (const text of formsOf(value)) forms.push({ text, name });
  }
  if (forms.length === 0) return NOTHING_TO_REDACT;
  const redactText = createTextRedactor(forms);
  let redactFolded: ((text: string) => string) | undefined;

  function redactHost(host: string): string {
    redactFolded ??= createTextRedactor(
      forms
        .map(({ text, name }) => ({ text: foldAsHost(text), name }))
        .filter(({ text }) => text.length >= MIN_FORM_CHARS),
    );
    if (!host.includes("xn--")) return redactFolded(host);
    const [hostname = ""] = host.split(":");
    const letters = domainToUnicode(hostname) + host.slice(hostname.length);
    const redacted = redactFolded(letters);
    if (redacted === letters) return redactFolded(host);
    // A secret may also be what Punycode writes; and what is left stands as it came.
    return redactFolded(redacted.split(".").map(toAsciiLabel).join("."));
  }

  function redactValue(value: Json, depth: number): Json {
    if (typeof value === "string") return redactText(value);
    if (typeof value === "number") {
      const text = String(value);
      const redacted = redactText(text);
      return redacted === text ? value : redacted;
    }
    if (typeof value !== "object" || value === null) return value;
    if (depth >= MAX_DEPTH) return TOO_DEEP;
    if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [redactText(key), redactValue(item, depth + 1)]),
    );
  }

  return {
    text: redactText,
    value: <T extends Json>(value: T) => redactValue(value, 0) as T,
    host: redactHost,
  };
}

/** One that is no host's any more, since something in it was redacted, stays as it is. */
const toAsciiLabel = (label: string) => domainToASCII(label) || label;

const foldAsHost = (text: string) => text.normalize("NFKC").toLowerCase();

function createTextRedactor(forms: Form[]): (text: string) => string {
  // The longest first: it wins over those that it begins with.
  forms.sort((a, b) => b.text.length - a.text.length);
  const table = new Uint8Array(TABLE_SIZE);
  const byHead = new Map<string, Form[]>();
  for (const form of forms) {
    const { text } = form;
    table[slotOf(text.charCodeAt(0), text.charCodeAt(1), text.charCodeAt(2))] = 1;
    const head = text.slice(0, MIN_FORM_CHARS);
    const others = byHead.get(head);
    if (others) others.push(form);
    else byHead.set(head, [form]);
  }

  /** Merged where they overlap; undefined: given up. */
  function findMatches(text: string): Match[] | undefined {
    const matches: Match[] = [];
    const end = cutEndOf(text);
    let work = WORK_FREE + text.length * WORK_PER_CHAR;
    for (let at = 0; at + MIN_FORM_CHARS <= text.length; at++) {
      if (table[slotOf(text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2))] === 0)
        continue;
      const candidates = byHead.get(text.slice(at, at + MIN_FORM_CHARS));
      if (!candidates) continue;
      const covered = matches.at(-1)?.to ?? 0;
      for (const form of candidates) {
        if (at + form.text.length <= covered) break;
        const chars = countCommon(form.text, text, at);
        work -= chars;
        if (work < 0) return undefined;
        const isCut = text[at + chars] === CUT || (end !== undefined && at + chars >= end);
        if (chars === form.text.length || isCut) {
          addMatch(matches, { from: at, to: at + chars, name: form.name, chars: form.text.length });
          break;
        }
      }
    }
    return matches;
  }

  function redactText(text: string): string {
    if (text.length < MIN_FORM_CHARS) return text;
    const matches = findMatches(text);
    if (!matches) return GIVEN_UP;
    if (matches.length === 0) return text;
    let redacted = "";
    let done = 0;
    for (const { from, to, name } of matches) {
      redacted += `${text.slice(done, from)}[redacted ${name}]`;
      done = to;
    }
    return redacted + text.slice(done);
  }

  return redactText;
}

function slotOf(a: number, b: number, c: number): number {
  return (a ^ (b << 5) ^ (c << 9)) & (TABLE_SIZE - 1);
}

function countCommon(form: string, text: string, at: number): number {
  const most = Math.min(form.length, text.length - at);
  let count = MIN_FORM_CHARS;
  while (count < most && form.charCodeAt(count) === text.charCodeAt(at + count)) count += 1;
  return count;
}

/** Where a text that was cut ends, its mark apart: there a secret may have been cut with it. */
function cutEndOf(text: string): number | undefined {
  const mark = text.endsWith("…") || text.endsWith(")") ? CUT_MARK.exec(text.slice(-60)) : null;
  if (mark) return text.length - mark[0].length;
  return text.length >= UNMARKED_CUT_CHARS ? text.length : undefined;
}

function addMatch(matches: Match[], match: Match): void {
  const last = matches.at(-1);
  if (!last || match.from >= last.to) {
    matches.push(match);
    return;
  }
  last.to = Math.max(last.to, match.to);
  if (match.chars > last.chars) {
    last.name = match.name;
    last.chars = match.chars;
  }
}

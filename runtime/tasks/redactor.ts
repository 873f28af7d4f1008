/**
 * Takes a run's secrets out of what is kept of it: the values themselves, as JSON and URLs and base64 and hex write them,
 * and the longer lines of those that have several. One walk over the text, whatever the number of secrets.
 */
import type { Json } from "../../core/json.ts";

export interface Redactor {
  text(text: string): string;
  /** Strings, keys and numbers, at every depth. */
  json<Value extends Json | undefined>(value: Value): Value;
}

export interface NamedSecret {
  name: string;
  value: string;
}

interface Form {
  text: string;
  mark: string;
}

/** A form is looked for by its first characters: shorter ones would be found everywhere. */
const ANCHOR_CHARS = 4;
const MIN_LINE_CHARS = 8;
/** What is deeper is not walked. */
const MAX_DEPTH = 500;
/** The guest's sign that a text was cut. */
const CUT = "…";

export const NOTHING_TO_REDACT: Redactor = { text: (text) => text, json: (value) => value };

export function createRedactor(secrets: readonly NamedSecret[]): Redactor {
  const forms = collectForms(secrets);
  return forms.size === 0 ? NOTHING_TO_REDACT : redactForms(forms);
}

/** By their first characters, the longest first. */
function collectForms(secrets: readonly NamedSecret[]): Map<string, Form[]> {
  const seen = new Set<string>();
  const byAnchor = new Map<string, Form[]>();
  for (const { name, value } of secrets) {
    for (const text of formsOf(value)) {
      if (text.length < ANCHOR_CHARS || seen.has(text)) continue;
      seen.add(text);
      const anchor = text.slice(0, ANCHOR_CHARS);
      const known = byAnchor.get(anchor);
      const form = { text, mark: `[redacted ${name}]` };
      if (known) known.push(form);
      else byAnchor.set(anchor, [form]);
    }
  }
  for (const forms of byAnchor.values()) forms.sort((a, b) => b.text.length - a.text.length);
  return byAnchor;
}

function* formsOf(value: string): Iterable<string> {
  const lines = value.split(/\r?\n/).filter((line) => line.length >= MIN_LINE_CHARS);
  for (const text of [value, value.trim(), ...lines]) {
    yield text;
    const json = JSON.stringify(text).slice(1, -1);
    yield json;
    yield JSON.stringify(json).slice(1, -1);
    const url = encodeURIComponent(text.toWellFormed());
    yield url;
    yield url.replaceAll("%20", "+");
    yield new URLSearchParams([["", text]]).toString().slice(1);
    const bytes = Buffer.from(text);
    yield bytes.toString("hex");
    yield bytes.toString("hex").toUpperCase();
    yield* base64FormsOf(bytes);
  }
}

/** What any base64 text around the bytes must hold, at each of the three places they may stand in a group. */
function* base64FormsOf(bytes: Buffer): Iterable<string> {
  for (const before of [0, 1, 2]) {
    const all = Buffer.concat([Buffer.alloc(before), bytes]);
    const from = Math.ceil((before * 8) / 6);
    const certain = Math.floor((all.length * 8) / 6);
    const text = all.toString("base64").slice(from, certain);
    yield text;
    yield text.replaceAll("+", "-").replaceAll("/", "_");
  }
}

function redactForms(byAnchor: Map<string, Form[]>): Redactor {
  // Most positions are dismissed by their first two characters.
  const pairs = new Uint8Array(65_536);
  const pairOf = (text: string, at: number) =>
    ((text.charCodeAt(at) << 8) ^ text.charCodeAt(at + 1)) & 0xffff;
  for (const anchor of byAnchor.keys()) pairs[pairOf(anchor, 0)] = 1;

  function findAt(text: string, at: number, end: number): { length: number; mark: string } | undefined {
    const forms = byAnchor.get(text.slice(at, at + ANCHOR_CHARS));
    if (!forms) return undefined;
    const whole = forms.find((form) => text.startsWith(form.text, at));
    if (whole) return { length: whole.text.length, mark: whole.mark };
    // Cut in the middle of it.
    const isCut = ({ text: form }: Form) => at + form.length > end && form.startsWith(text.slice(at, end));
    const cut = forms.find(isCut);
    return cut && { length: end - at, mark: cut.mark };
  }

  function redactText(text: string): string {
    const end = text.endsWith(CUT) ? text.length - CUT.length : text.length;
    let redacted = "";
    let from = 0;
    for (let at = 0; at <= end - ANCHOR_CHARS; at += 1) {
      if (pairs[pairOf(text, at)] === 0) continue;
      const found = findAt(text, at, end);
      if (!found) continue;
      redacted += text.slice(from, at) + found.mark;
      from = at + found.length;
      at = from - 1;
    }
    return from === 0 ? text : redacted + text.slice(from);
  }

  function redactJson(value: Json, depth: number): Json {
    if (typeof value === "string") return redactText(value);
    if (typeof value === "number") {
      const text = String(value);
      return redactText(text) === text ? value : redactText(text);
    }
    if (typeof value !== "object" || value === null) return value;
    if (depth > MAX_DEPTH) return "[too deep to be kept]";
    if (Array.isArray(value)) return value.map((item) => redactJson(item, depth + 1));
    const entries = Object.entries(value).map(([key, item]) => [
      redactText(key),
      redactJson(item, depth + 1),
    ]);
    return Object.fromEntries(entries) as Json;
  }

  return {
    text: redactText,
    json: <Value extends Json | undefined>(value: Value) =>
      (value === undefined ? value : redactJson(value, 0)) as Value,
  };
}

/** JSON as its author wrote it: what a signature is computed over is text, and a parsed value has lost it. */
import { randomUUID } from "node:crypto";
import type { Json } from "./json.ts";

export class JsonSource {
  /** Valid JSON, without white space around it. */
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** What is left where it is written by `JSON.stringify`: spelling and order of the numbers and names are not. */
  toJSON(): Json {
    if (!met) return JSON.parse(this.text) as Json;
    met.push(this.text);
    place ??= randomUUID();
    return place;
  }
}

export type JsonOrSource = Json | JsonSource;

/** The value that it is the source of; any other as it is. */
export const toValue = (given: JsonOrSource): Json => (given instanceof JsonSource ? given.toJSON() : given);

/**
 * Stands for each source while `writeJson` writes; nobody else knows it, so no other text holds it. Made when it is first
 * needed: workers that start from a snapshot have all loaded this module together.
 */
let place: string | undefined;
/** The sources that `writeJson` has met, in their order; undefined while nothing is written. */
let met: string[] | undefined;

/** As `JSON.stringify`, which does the work, but each JsonSource stands in it as its own text. */
export function writeJson(value: unknown): string {
  const sources: string[] = [];
  met = sources;
  try {
    const text = JSON.stringify(value);
    if (sources.length === 0) return text;
    const [begin, ...rest] = text.split(`"${place}"`);
    return begin + rest.map((after, index) => sources[index] + after).join("");
  } finally {
    met = undefined;
  }
}

const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c];
const [OPENING, CLOSING] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])];
/** JSON's own white space, no other. */
const AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g;

/** The value of a member of the object that the text, valid JSON, is; of several of that name the last, as `JSON.parse`. */
export function findMemberText(text: string, name: string): string | undefined {
  let found: string | undefined;
  let depth = 0;
  let key: string | undefined;
  let begin = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = findStringEnd(text, at);
      if (depth === 1 && key === undefined) key = JSON.parse(text.slice(at, end + 1)) as string;
      at = end;
    } else if (depth === 1 && code === COLON) {
      begin = at + 1;
    } else if (depth === 1 && (code === COMMA || CLOSING.has(code))) {
      if (key === name) found = text.slice(begin, at).replace(AROUND, "");
      key = undefined;
    }
    if (OPENING.has(code)) depth += 1;
    else if (CLOSING.has(code)) depth -= 1;
  }
  return found;
}

/** The elements of the array that the text, valid JSON, is. */
export function listElementTexts(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let begin = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = findStringEnd(text, at);
    else if (OPENING.has(code)) {
      depth += 1;
      if (depth === 1) begin = at + 1;
    } else if (depth === 1 && (code === COMMA || CLOSING.has(code))) {
      const element = text.slice(begin, at).replace(AROUND, "");
      // Of an empty array.
      if (element !== "") found.push(element);
      begin = at + 1;
    }
    if (CLOSING.has(code)) depth -= 1;
  }
  return found;
}

/** The text, valid JSON, with each of its strings, names too, as `map` has it; one that stays the same keeps its spelling. */
export function mapJsonStrings(text: string, map: (value: string) => string): string {
  let mapped = "";
  let done = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) {
    const end = findStringEnd(text, at) + 1;
    const value = JSON.parse(text.slice(at, end)) as string;
    const other = map(value);
    if (other !== value) {
      mapped += text.slice(done, at) + JSON.stringify(other);
      done = end;
    }
    at = end - 1;
  }
  return mapped + text.slice(done);
}

/** Where the string that begins there ends; the text's length where it does not. */
export function findStringEnd(text: string, begin: number): number {
  let end = text.indexOf('"', begin + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 0;
}

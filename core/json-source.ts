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

const [QUOTE, BACKSLASH, COLON, COMMA, SPACE] = [0x22, 0x5c, 0x3a, 0x2c, 0x20];
/** Brackets and braces differ in one bit. */
const [BRACE_BIT, OPENING, CLOSING] = [0x20, 0x7b, 0x7d];
const isOpening = (code: number) => (code | BRACE_BIT) === OPENING;
const isClosing = (code: number) => (code | BRACE_BIT) === CLOSING;

/** The value of a member of the object that the text, valid JSON, is; of several of that name the last, as `JSON.parse`. */
export function findMemberText(text: string, name: string): string | undefined {
  let found: string | undefined;
  let depth = 0;
  /** Whether it is the name of the member that goes on; undefined: that has had no name so far. */
  let isIt: boolean | undefined;
  let begin = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = findStringEnd(text, at);
      if (depth === 1) isIt ??= isName(text, at, end, name);
      at = end;
    } else if (depth === 1 && code === COLON) {
      begin = at + 1;
    } else if (depth === 1 && (code === COMMA || isClosing(code))) {
      if (isIt) found = sliceWithin(text, begin, at);
      isIt = undefined;
    }
    if (isOpening(code)) depth += 1;
    else if (isClosing(code)) depth -= 1;
  }
  return found;
}

/** Whether the string that stands there says it. */
function isName(text: string, begin: number, end: number, name: string): boolean {
  if (end - begin - 1 === name.length && text.startsWith(name, begin + 1)) return true;
  const written = text.slice(begin, end + 1);
  return written.includes("\\") && JSON.parse(written) === name;
}

/** Without the white space around it: JSON's own, no other, which is all that may stand there. */
function sliceWithin(text: string, from: number, to: number): string {
  let [begin, end] = [from, to];
  while (begin < end && text.charCodeAt(begin) <= SPACE) begin += 1;
  while (begin < end && text.charCodeAt(end - 1) <= SPACE) end -= 1;
  return text.slice(begin, end);
}

/** The elements of the array that the text, valid JSON, is. */
export function listElementTexts(text: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let begin = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = findStringEnd(text, at);
    else if (isOpening(code)) {
      depth += 1;
      if (depth === 1) begin = at + 1;
    } else if (depth === 1 && (code === COMMA || isClosing(code))) {
      const element = sliceWithin(text, begin, at);
      // Of an empty array.
      if (element !== "") found.push(element);
      begin = at + 1;
    }
    if (isClosing(code)) depth -= 1;
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

/** What is counted before it is walked: a small body may hold so much that looking through it holds up everybody. */
import type { Json } from "../../core/json.ts";

const QUOTE = 34;
const BACKSLASH = 92;
const [OPENING, CLOSING] = [new Set([91, 123]), new Set([93, 125])];

/** Whether the text, as JSON, is nested deeper. It looks at the text alone, and no further than to where that is so. */
export function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (OPENING.has(code)) {
      depth += 1;
      if (depth > max) return true;
    } else if (CLOSING.has(code)) depth -= 1;
  }
  return false;
}

/** Where the string that begins there ends. */
function endOfString(text: string, from: number): number {
  let end = text.indexOf('"', from + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 0;
}

/** The first field that holds, all levels together, more than so many entries; empty for the object itself. */
export function findCrowdedField(input: unknown, max: number, free: ReadonlySet<string>): string | undefined {
  if (typeof input !== "object" || input === null) return undefined;
  let fields = 0;
  for (const name in input) {
    fields += 1;
    if (fields > max) return "";
    if (free.has(name)) continue;
    if (holdsMore((input as Record<string, Json>)[name], max)) return name;
  }
  return undefined;
}

function holdsMore(value: Json | undefined, max: number): boolean {
  const containers: object[] = isContainer(value) ? [value] : [];
  let count = 0;
  for (let container = containers.pop(); container; container = containers.pop()) {
    for (const name in container) {
      count += 1;
      if (count > max) return true;
      const entry = (container as Record<string, Json>)[name];
      if (isContainer(entry)) containers.push(entry);
    }
  }
  return false;
}

function isContainer(value: Json | undefined): value is Json[] | { [name: string]: Json } {
  return typeof value === "object" && value !== null;
}

/** What is counted before it is walked: a small body may hold so much that looking through it holds up everybody. */
import type { Json } from "../../core/json.ts";
import { findStringEnd } from "../../core/json-source.ts";

const QUOTE = 34;
const [OPENING, CLOSING] = [new Set([91, 123]), new Set([93, 125])];

/** Whether the text, as JSON, is nested deeper. It looks at the text alone, and no further than to where that is so. */
export function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = findStringEnd(text, at);
    else if (OPENING.has(code)) {
      depth += 1;
      if (depth > max) return true;
    } else if (CLOSING.has(code)) depth -= 1;
  }
  return false;
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

/** What is counted before it is walked: a small body may hold so much that looking through it holds up everybody. */
import type { Json } from "../../core/json.ts";

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

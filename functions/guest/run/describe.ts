/** What was thrown, read inside the run's own time and memory: its properties may run the author's code. */
import { GUEST_LIMITS } from "../limits.ts";
import { slice, stringify, toText } from "./primordials.ts";

export interface Thrown {
  name: string;
  message: string;
  stack: string;
}

export function describe(thrown: unknown): Thrown {
  const seen = { __proto__: null, name: "Error", message: "", stack: "" } as Thrown;
  if ((typeof thrown !== "object" || thrown === null) && typeof thrown !== "function") {
    seen.message = clip(toText(thrown));
    return seen;
  }
  const error = thrown as Partial<Thrown>;
  const message = readText(() => error.message);
  seen.message = message ?? clip(plainJson(thrown));
  seen.name = readText(() => error.name) ?? seen.name;
  seen.stack = readText(() => error.stack) ?? "";
  return seen;
}

function plainJson(value: unknown): string {
  try {
    return stringify(value) ?? toText(value);
  } catch {
    return "something unreadable was thrown";
  }
}

function readText(read: () => unknown): string | undefined {
  try {
    const value = read();
    return typeof value === "string" ? clip(value) : undefined;
  } catch {
    return undefined;
  }
}

function clip(text: string): string {
  return text.length > GUEST_LIMITS.errorChars ? `${slice(text, 0, GUEST_LIMITS.errorChars)}…` : text;
}

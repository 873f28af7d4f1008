/**
 * Values as a line of a log shows them: JSON where they have that form, and what else they are where not. Cut at the
 * end of a value alone, with a mark: secrets are taken out later, and half of one is looked for before that mark.
 */
import { errorsOf, readProperty } from "./describe.ts";
import { findKind } from "./kinds.ts";
import {
  apply,
  getPrototypeOf,
  hasOwn,
  isArray,
  keys,
  min,
  NativeError,
  ObjectPrototype,
  slice,
  stringify,
  toText,
} from "./primordials.ts";
import type { Sheet } from "./sheet.ts";

/** Of one value; a line holds little more. */
const MAX_CHARS = 8_000;
const MAX_DEPTH = 8;
/** Of one array, object, map or the like. */
const MAX_ENTRIES = 100;
/** Of an error's `errors`. */
const MAX_ERRORS = 8;

/** However deep it is asked for. */
const MOST_DEPTH = 100;

/** Never throws. A string stands without quotes. `depth`: how many levels are shown. */
export function inspect(value: unknown, depth: number = MAX_DEPTH): string {
  const sheet = new ValueSheet(min(depth, MOST_DEPTH));
  if (typeof value === "string") return value;
  sheet.writeValue(value);
  const { text } = sheet;
  return text.length > MAX_CHARS ? `${slice(text, 0, MAX_CHARS)}…` : text;
}

/** Whether JSON says nothing of it, and `inspect` does. */
export function isShownByKind(value: object): boolean {
  try {
    return !isArray(value) && !isPlain(value) && findKind(value) !== undefined;
  } catch {
    return false;
  }
}

class ValueSheet implements Sheet {
  text = "";
  /** The objects that hold what is written now. */
  readonly #holders: object[] = [];
  readonly #depth: number;

  constructor(depth: number) {
    this.#depth = depth;
  }

  get isFull(): boolean {
    return this.text.length > MAX_CHARS;
  }

  write(text: string): void {
    if (!this.isFull) this.text += text;
  }

  writeValue(value: unknown): void {
    if (this.isFull) return;
    if (typeof value === "string") this.write(stringify(slice(value, 0, MAX_CHARS)));
    else if (typeof value === "bigint") this.write(`${toText(value)}n`);
    else if (typeof value === "function") this.write(`[${nameFunction(value)}]`);
    else if (typeof value === "object" && value !== null) this.#writeObject(value);
    else this.write(toText(value));
  }

  writeList(open: string, close: string, count: number, writeAt: (index: number) => void): void {
    this.write(open);
    const shown = min(count, MAX_ENTRIES);
    for (let i = 0; i < shown && !this.isFull; i++) {
      if (i > 0) this.write(",");
      writeAt(i);
    }
    if (count > shown) this.write(`,… ${count - shown} more`);
    this.write(close);
  }

  #writeObject(value: object): void {
    const holders = this.#holders;
    if (this.#isHeld(value)) {
      this.write("[Circular]");
      return;
    }
    holders[holders.length] = value;
    try {
      if (value instanceof NativeError) this.#writeError(value);
      else if (holders.length <= this.#depth) this.#writeContent(value);
      else this.write(`[${isArray(value) ? "Array" : nameClass(value)}]`);
    } catch {
      this.write("[unreadable]");
    }
    holders.length--;
  }

  #isHeld(value: object): boolean {
    const holders = this.#holders;
    for (let i = 0; i < holders.length; i++) if (holders[i] === value) return true;
    return false;
  }

  #writeContent(value: object): void {
    const kind = isPlain(value) || isArray(value) ? undefined : findKind(value);
    const { toJSON } = value as { toJSON?: unknown };
    if (kind !== undefined) kind.write(value, this);
    else if (typeof toJSON === "function") this.#writeSaid(value, apply(toJSON, value, [""]));
    else if (isArray(value)) {
      this.writeList("[", "]", value.length, (i) => this.#writeProperty(value, toText(i)));
    } else this.#writeProperties(value);
  }

  /** What it says of itself, as JSON would have it. */
  #writeSaid(value: object, said: unknown): void {
    if (said === value) this.#writeProperties(value);
    else if (typeof said === "string" && this.#holders.length === 1) this.write(said);
    else this.writeValue(said);
  }

  #writeProperties(value: object): void {
    const names = keys(value);
    const name = isPlain(value) ? "" : nameClass(value);
    this.writeList(name === "" ? "{" : `${name} {`, "}", names.length, (i) => {
      this.write(`${stringify(names[i])}:`);
      this.#writeProperty(value, names[i]!);
    });
  }

  #writeProperty(holder: object, name: string): void {
    try {
      this.writeValue((holder as Record<string, unknown>)[name]);
    } catch {
      this.write("[unreadable]");
    }
  }

  /** Its stack, what else it carries, and under that what it was caused by. */
  #writeError(error: Error): void {
    const stack = readProperty(error, "stack");
    const head = `${toText(readProperty(error, "name"))}: ${toText(readProperty(error, "message"))}`;
    this.write(typeof stack === "string" && stack !== "" ? stack : head);
    const names = ownNamesOf(error);
    if (names.length > 0) {
      this.writeList(" {", "}", names.length, (i) => {
        this.write(`${stringify(names[i])}:`);
        this.#writeProperty(error, names[i]!);
      });
    }
    if (this.#holders.length <= this.#depth) this.#writeCauses(error);
  }

  #writeCauses(error: Error): void {
    if (hasOwn(error, "cause")) {
      this.write("\nCaused by: ");
      this.#writeProperty(error, "cause");
    }
    const errors = errorsOf(error);
    if (errors === undefined) return;
    const count = errors.length;
    for (let i = 0; i < count && i < MAX_ERRORS && !this.isFull; i++) {
      this.write(`\nError ${i + 1} of ${count}: `);
      this.#writeProperty(errors, toText(i));
    }
  }
}

/** What an error carries beside what is written apart. */
function ownNamesOf(error: Error): string[] {
  const names = keys(error);
  const own: string[] = [];
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    if (name !== "stack" && name !== "message" && name !== "cause" && name !== "errors")
      own[own.length] = name;
  }
  return own;
}

function isPlain(value: object): boolean {
  const prototype: unknown = getPrototypeOf(value);
  return prototype === ObjectPrototype || prototype === null;
}

function nameClass(value: object): string {
  const prototype: unknown = getPrototypeOf(value);
  const name = readProperty(readProperty(prototype, "constructor"), "name");
  return typeof name === "string" && name !== "" ? slice(name, 0, 100) : "Object";
}

function nameFunction(value: unknown): string {
  const name = readProperty(value, "name");
  return typeof name === "string" && name !== "" ? `Function: ${slice(name, 0, 100)}` : "Function";
}

/** The fields of a line of a log, as JSON. */
import { describe, describeInFull } from "./describe.ts";
import { inspect, isShownByKind } from "./inspect.ts";
import { isArray, keys, NativeError, stringify, toText } from "./primordials.ts";

/** JSON of whatever it is; never throws. */
export function safeStringify(value: unknown): string {
  try {
    return stringify(value, replaceOddities) ?? toText(value);
  } catch (thrown) {
    return stringifyParts(value) ?? stringify({ __proto__: null, unreadable: describe(thrown).message });
  }
}

/** An object of which one property cannot be read, or leads back to itself, is told without that one. */
function stringifyParts(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || isArray(value)) return undefined;
  try {
    const names = keys(value);
    let json = "";
    for (let i = 0; i < names.length; i++) {
      const part = stringifyPart(value as Record<string, unknown>, names[i]!);
      if (part !== undefined) json += `${json === "" ? "" : ","}${stringify(names[i])}:${part}`;
    }
    return `{${json}}`;
  } catch {
    return undefined;
  }
}

function stringifyPart(value: Record<string, unknown>, name: string): string | undefined {
  try {
    return stringify(value[name], replacerWithin(value));
  } catch {
    return '"[unreadable]"';
  }
}

/** Tells what leads back to what holds it, beginning with `root`, as `console` does. */
function replacerWithin(root: object): typeof replaceOddities {
  /** What holds the value that is replaced, from the outside in. */
  const holders: unknown[] = [root];
  return function replace(this: unknown, key: string, value: unknown): unknown {
    const said = replaceOddities(key, value);
    if (typeof said !== "object" || said === null) return said;
    while (holders.length > 1 && holders[holders.length - 1] !== this) holders.length--;
    for (let i = 0; i < holders.length; i++) if (holders[i] === said) return "[Circular]";
    holders[holders.length] = said;
    return said;
  };
}

/** What JSON has no form for is told as `console` tells it. */
function replaceOddities(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return toText(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof NativeError) return describeInFull(value);
  return isShownByKind(value) ? inspect(value) : value;
}

/** What Node's own modules export, so that every name of theirs can be imported. */

/** 0: a function. An array: data, as JSON. An object: what an object of functions holds. */
export type Shape = { [name: string]: Shape | [data: unknown] | 0 };

/** Where an object of functions has such objects, two deep is enough: `fs.promises`. */
const MAX_DEPTH = 2;
/** Data of the machine and of the process that asks. */
const OWN_DATA = new Set(["module", "os", "process", "sea", "tls", "v8", "worker_threads"]);

/** Of a module by its name without `node:`. */
export function shapeOf(name: string): Shape {
  const exports: unknown = process.getBuiltinModule(`node:${name}`);
  return toShape(exports as object, !OWN_DATA.has(name), 1);
}

function toShape(value: object, withData: boolean, depth: number): Shape {
  const shape: Shape = {};
  for (const key of Object.keys(value)) {
    if (key === "default" || key === "module.exports") continue;
    const one = toEntry((value as Record<string, unknown>)[key], withData, depth);
    if (one !== undefined) shape[key] = one;
  }
  return shape;
}

function toEntry(value: unknown, withData: boolean, depth: number): Shape[string] | undefined {
  if (typeof value === "function") return 0;
  if (isData(value)) return withData ? [value] : undefined;
  if (typeof value !== "object" || value === null || depth >= MAX_DEPTH) return undefined;
  return toShape(value, withData, depth + 1);
}

/** What JSON keeps. */
function isData(value: unknown): boolean {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return true;
  if (typeof value !== "object") return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return false;
  const values = Object.values(value);
  return values.length > 0 && values.every((one) => isData(one));
}

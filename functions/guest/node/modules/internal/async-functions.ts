/**
 * Where AsyncLocalStorage may be used, the compiler writes async functions out as plain ones that call esbuild's
 * `__async` (functions/build/compiler-program.ts). Libraries tell such functions by their tag or their constructor: who
 * asks a written-out one for either gets an async function's, and it is one by its prototype from then on.
 */
type Property = (this: unknown) => unknown;

const WRITTEN_OUT = /^[^(=]*?(?:\([^()]*\)|[\w$]+)\s*(?:=>\s*|\{\s*return\s+)__async(Generator)?\d*\(/;
/** Enough for a name and its parameters. */
const HEAD_CHARS = 1_000;

const sourceOf = Function.prototype.toString;
const { defineProperty, getPrototypeOf } = Object;
const prototypes = {
  plain: Function.prototype as object,
  async: getPrototypeOf(async () => {}) as object,
  generator: getPrototypeOf(async function* () {}) as object,
};

/** The async function's prototype, undefined for others. */
function takePrototype(value: unknown): object | undefined {
  if (typeof value !== "function" || getPrototypeOf(value) !== prototypes.plain) return undefined;
  const match = WRITTEN_OUT.exec(sourceOf.call(value).slice(0, HEAD_CHARS));
  if (match === null) return undefined;
  const prototype = match[1] === undefined ? prototypes.async : prototypes.generator;
  Reflect.setPrototypeOf(value, prototype);
  return prototype;
}

function define(key: "constructor" | typeof Symbol.toStringTag, otherwise: unknown): void {
  const get: Property = function () {
    const prototype = takePrototype(this) as Record<symbol | string, unknown> | undefined;
    return prototype === undefined ? otherwise : prototype[key];
  };
  defineProperty(prototypes.plain, key, {
    get,
    // As if there were no accessor.
    set(this: object, value: unknown) {
      defineProperty(this, key, { value, writable: true, enumerable: true, configurable: true });
    },
    configurable: true,
  });
}

define(Symbol.toStringTag, undefined);
define("constructor", Function);

export default { takePrototype };

/** node:util. `inspect` and `format` are Node's own, from a package. */

import parseArgs from "internal:parse-args";
import services from "internal:services";
import types from "node:util/types";
import { format, formatWithOptions, inspect, stripVTControlCharacters } from "node-inspect-extracted";

declare const require: (name: string) => unknown;

type Globals = { setImmediate?: unknown };
type Callback = (error: unknown, value?: unknown) => void;
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

const custom = Symbol.for("nodejs.util.promisify.custom");

function promisify(original: AnyFunction & { [custom]?: AnyFunction }): AnyFunction {
  if (typeof original !== "function") {
    throw Object.assign(new TypeError('The "original" argument must be of type function'), {
      code: "ERR_INVALID_ARG_TYPE",
    });
  }
  const own = original[custom] ?? promisedTimer(original);
  if (own !== undefined) return Object.defineProperty(own, custom, { value: own, configurable: true });
  function promised(this: unknown, ...args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle: Callback = (error, value) => (error ? reject(error) : resolve(value));
      original.call(this, ...args, settle);
    });
  }
  Object.setPrototypeOf(promised, Object.getPrototypeOf(original) as object);
  return Object.defineProperties(promised, Object.getOwnPropertyDescriptors(original)) as AnyFunction;
}
promisify.custom = custom;

/** The platform's timers take their callback first, and nothing of Node's can be hung on them. */
function promisedTimer(original: AnyFunction): AnyFunction | undefined {
  if (original !== globalThis.setTimeout && original !== (globalThis as Globals).setImmediate)
    return undefined;
  const timers = require("node:timers/promises") as Record<"setTimeout" | "setImmediate", AnyFunction>;
  return original === globalThis.setTimeout ? timers.setTimeout : timers.setImmediate;
}

class FalsyRejection extends Error {
  readonly code = "ERR_FALSY_VALUE_REJECTION";
  readonly reason: unknown;
  constructor(reason: unknown) {
    super("Promise was rejected with falsy value");
    this.reason = reason;
  }
}

function callbackify(original: AnyFunction): AnyFunction {
  return function (this: unknown, ...args) {
    const callback = args.pop() as Callback;
    const settled = Promise.resolve(original.apply(this, args));
    settled.then(
      (value) => queueMicrotask(() => callback(null, value)),
      (error) => queueMicrotask(() => callback(error || new FalsyRejection(error))),
    );
  };
}

function inherits(child: AnyFunction, parent: AnyFunction): void {
  Object.defineProperty(child, "super_", { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(child.prototype as object, parent.prototype as object);
}

function deprecate<F extends AnyFunction>(method: F, message: string, code?: string): F {
  let isWarned = false;
  const warn = function (this: unknown, ...args: unknown[]) {
    if (!isWarned) {
      isWarned = true;
      services.log("warn", `DeprecationWarning: ${code ? `[${code}] ` : ""}${message}`);
    }
    return new.target ? Reflect.construct(method, args, new.target) : method.apply(this, args);
  };
  Object.setPrototypeOf(warn, method);
  if (method.prototype) warn.prototype = method.prototype;
  return warn as unknown as F;
}

function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  // Asked for late: comparing needs this module's types.
  return comparisons().isDeepStrictEqual(a, b);
}

const comparisons = () =>
  require("internal:comparisons") as { isDeepStrictEqual(a: unknown, b: unknown): boolean };

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

type Colors = Record<string, [begin: number, end: number] | undefined>;

/** Colours are written whatever takes them: a log is no terminal that could say. */
function styleText(formats: string | string[], text: string): string {
  const colors = inspect.colors as unknown as Colors;
  return [formats].flat().reduceRight((inner, name) => {
    const codes = colors[name];
    if (name === "none") return inner;
    if (codes === undefined) {
      const message = `The argument 'format' must be one of: ${Object.keys(colors).join(", ")}. Received ${inspect(name)}`;
      throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
    }
    return `\x1b[${codes[0]}m${inner}\x1b[${codes[1]}m`;
  }, text);
}

/** Nothing is debugged: there is no NODE_DEBUG. */
const debuglog = () => Object.assign(() => {}, { enabled: false });

const is = (type: string) => (value: unknown) => typeof value === type;
const isObject = (value: unknown) => typeof value === "object" && value !== null;

export default {
  inspect,
  format,
  formatWithOptions,
  stripVTControlCharacters,
  types,
  promisify,
  callbackify,
  inherits,
  deprecate,
  isDeepStrictEqual,
  aborted,
  debuglog,
  debug: debuglog,
  // Stacks of the author's code are mapped when they are told, and not before.
  getCallSites: () => [],
  parseArgs,
  styleText,
  log: (...args: unknown[]) => services.log("info", format(...args)),
  TextDecoder: globalThis.TextDecoder,
  TextEncoder: globalThis.TextEncoder,
  toUSVString: (text: unknown) => String(text).toWellFormed(),
  _extend: (target: object, source: unknown) => (isObject(source) ? Object.assign(target, source) : target),
  isArray: Array.isArray,
  isBoolean: is("boolean"),
  isBuffer: (value: unknown) => globalThis.Buffer.isBuffer(value),
  isDate: types.isDate,
  isError: types.isNativeError,
  isFunction: is("function"),
  isNull: (value: unknown) => value === null,
  isNullOrUndefined: (value: unknown) => value === null || value === undefined,
  isNumber: is("number"),
  isObject,
  isPrimitive: (value: unknown) => !isObject(value) && typeof value !== "function",
  isRegExp: types.isRegExp,
  isString: is("string"),
  isSymbol: is("symbol"),
  isUndefined: is("undefined"),
};

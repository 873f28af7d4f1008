/** What Web IDL says of every interface: how its members stand on the prototype, how its arguments are converted. */

type Constructor = abstract new (...args: never[]) => object;

/**
 * Puts a class on the global object, with its members as Web IDL describes them. `length` is the constructor's, where
 * its parameters are not the standard's.
 */
export function defineInterface(
  name: string,
  interfaceClass: Constructor,
  length = interfaceClass.length,
): void {
  Object.defineProperty(interfaceClass, "name", { value: name, configurable: true });
  Object.defineProperty(interfaceClass, "length", { value: length, configurable: true });
  shapeInterface(name, interfaceClass);
  defineGlobal(name, interfaceClass);
}

/** The members' enumerability and the tag that Object.prototype.toString reads. */
export function shapeInterface(name: string, interfaceClass: Constructor): void {
  makeEnumerable(interfaceClass.prototype, ["constructor"]);
  makeEnumerable(interfaceClass, ["prototype", "name", "length"]);
  tag(interfaceClass.prototype, name);
  platformPrototypes.add(interfaceClass.prototype);
  Object.defineProperty(interfaceClass, "prototype", { writable: false });
}

function makeEnumerable(target: object, except: string[]): void {
  for (const key of Object.getOwnPropertyNames(target)) {
    if (except.includes(key)) continue;
    const descriptor = Object.getOwnPropertyDescriptor(target, key)!;
    if (descriptor.configurable) Object.defineProperty(target, key, { ...descriptor, enumerable: true });
  }
}

/** The interface's name for Object.prototype.toString. */
export function tag(prototype: object, name: string): void {
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
}

/** Constants stand on the interface and on its prototype. */
export function defineConstants(interfaceClass: Constructor, constants: Record<string, number>): void {
  for (const [key, value] of Object.entries(constants)) {
    const descriptor = { value, enumerable: true, writable: false, configurable: false };
    Object.defineProperty(interfaceClass, key, descriptor);
    Object.defineProperty(interfaceClass.prototype, key, descriptor);
  }
}

const platformPrototypes = new WeakSet<object>();

/** Whether it is an instance of one of the platform's interfaces, or of a class made of one. */
export function isPlatformObject(value: object): boolean {
  let prototype: object | null = Object.getPrototypeOf(value);
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    if (platformPrototypes.has(prototype)) return true;
  }
  return false;
}

/** Says of a class that is no part of this script that its instances are platform objects. */
export function notePlatformClass(interfaceClass: Constructor): void {
  platformPrototypes.add(interfaceClass.prototype);
}

/** As the platform's own classes and functions stand on the global object. */
export function defineGlobal(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

/** A function of the global object's own interface: enumerable, as browsers have them. */
export function defineOperation(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
}

function checkGlobal(self: unknown): void {
  if (self !== undefined && self !== null && self !== globalThis) throw new TypeError("Illegal invocation");
}

/** A read-only attribute of the global object that authors may replace. */
export function defineReplaceable(name: string, get: () => unknown): void {
  const getter = Object.getOwnPropertyDescriptor(
    {
      get [name]() {
        checkGlobal(this);
        return get();
      },
    },
    name,
  )!.get!;
  const set = {
    set [name](value: unknown) {
      checkGlobal(this);
      defineOperation(name, value);
    },
  };
  const setter = Object.getOwnPropertyDescriptor(set, name)!.set!;
  Object.defineProperty(globalThis, name, { get: getter, set: setter, enumerable: true, configurable: true });
}

/** Marks a constructor call that comes from the guest's own code, for interfaces that authors cannot construct. */
export const INTERNAL: unique symbol = Symbol("internal");

export function refuseConstruction(mark: unknown): void {
  if (mark !== INTERNAL) throw new TypeError("Illegal constructor");
}

export function requireArguments(given: number, required: number, where: string): void {
  if (given < required) {
    throw new TypeError(
      `${where}: ${required} argument${required === 1 ? "" : "s"} required, ${given} present`,
    );
  }
}

export function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** DOMString; a symbol throws. */
export function toDomString(value: unknown): string {
  return typeof value === "string" ? value : `${value as string}`;
}

/** USVString: lone surrogates become U+FFFD. */
export function toUsvString(value: unknown): string {
  return toDomString(value).toWellFormed();
}

const BEYOND_BYTE = /[^\0-\xff]/;

/** ByteString. Throws TypeError on a character beyond U+00FF. */
export function toByteString(value: unknown): string {
  const text = toDomString(value);
  if (BEYOND_BYTE.test(text)) throw new TypeError("A byte string holds characters up to U+00FF only");
  return text;
}

/** An unsigned integer of so many bits (at most 53), taken modulo its range. */
export function toUnsigned(value: unknown, bits: number): number {
  const range = 2 ** bits;
  const number = Math.trunc(Number(value));
  if (!Number.isFinite(number)) return 0;
  const rest = number % range;
  return rest < 0 ? rest + range : rest + 0;
}

/** A signed integer of 64 bits, as far as a number holds it. */
export function toLongLong(value: unknown): number {
  const number = Math.trunc(Number(value));
  if (!Number.isFinite(number)) return 0;
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number + 0 : Number(BigInt.asIntN(64, BigInt(number)));
}

/** [Clamp] long long. */
export function clampLongLong(value: unknown): number {
  const number = Number(value);
  if (Number.isNaN(number)) return 0;
  const clamped = Math.min(Math.max(number, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  const floor = Math.floor(clamped);
  const rest = clamped - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(clamped) + 0;
}

/** [EnforceRange] of an unsigned integer of so many bits (at most 53). Throws TypeError outside it. */
export function enforceUnsigned(value: unknown, bits: number, where: string): number {
  const number = Math.trunc(Number(value));
  const most = bits >= 53 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1;
  if (!Number.isFinite(number) || number < 0 || number > most) {
    throw new TypeError(`${where} is not a whole number from 0 to ${most}`);
  }
  return number + 0;
}

/** A double. Throws TypeError where it is not finite. */
export function toFiniteDouble(value: unknown, where: string): number {
  const number = Number(value);
  if (!Number.isFinite(number)) throw new TypeError(`${where} is not a finite number`);
  return number;
}

/** A dictionary: undefined and null stand for an empty one. */
export function toDictionary(value: unknown, where: string): Record<string, unknown> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new TypeError(`${where} is not an object`);
  return value as Record<string, unknown>;
}

export function toEnum<T extends string>(value: unknown, known: readonly T[], where: string): T {
  const text = toDomString(value);
  if (!(known as readonly string[]).includes(text))
    throw new TypeError(`${where}: '${text}' is not one of the values it takes`);
  return text as T;
}

/** A sequence from any iterable; each element is converted when it comes. */
export function toSequence<T = unknown>(
  value: unknown,
  where: string,
  convert: (element: unknown) => T = (element) => element as T,
): T[] {
  if (!isObject(value)) throw new TypeError(`${where} is not a sequence`);
  const method = (value as Partial<Iterable<unknown>>)[Symbol.iterator];
  if (typeof method !== "function") throw new TypeError(`${where} is not a sequence`);
  return Array.from({ [Symbol.iterator]: () => method.call(value) as Iterator<unknown> }, convert);
}

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype);
const readTypedArrayName = Object.getOwnPropertyDescriptor(typedArrayPrototype, Symbol.toStringTag)!.get!;
const readBufferLength = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength")!.get!;
const readBufferDetached = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached")!.get!;
const isView = ArrayBuffer.isView;

/** "Uint8Array" and so on, "DataView"; undefined where it is no view. */
export function viewName(value: unknown): string | undefined {
  if (!isView(value)) return undefined;
  return (readTypedArrayName.call(value) as string | undefined) ?? "DataView";
}

export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  if (typeof value !== "object" || value === null) return false;
  try {
    readBufferLength.call(value);
    return true;
  } catch {
    return false;
  }
}

export function isDetached(buffer: ArrayBuffer): boolean {
  return readBufferDetached.call(buffer) as boolean;
}

export function isBufferSource(value: unknown): value is ArrayBuffer | ArrayBufferView<ArrayBuffer> {
  return isView(value) || isArrayBuffer(value);
}

/** The bytes of a buffer source themselves; none where it is detached. */
export function viewBytes(source: ArrayBuffer | ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (isView(source)) {
    if (isDetached(source.buffer)) return new Uint8Array(0);
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  return isDetached(source) ? new Uint8Array(0) : new Uint8Array(source);
}

/** A copy of the bytes of a buffer source. */
export function copyBytes(source: ArrayBuffer | ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return viewBytes(source).slice();
}

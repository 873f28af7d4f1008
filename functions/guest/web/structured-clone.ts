/** structuredClone of the HTML standard, within one realm. */
import { blobBytes, fileOf, GuestBlob, isBlob, isFile } from "./blob.ts";
import { domException, isDomException } from "./dom-exception.ts";
import {
  defineOperation,
  isArrayBuffer,
  isDetached,
  isObject,
  isPlatformObject,
  requireArguments,
  toDictionary,
  toSequence,
  viewName,
} from "./webidl.ts";

/** Moves an object to its new owner; the old one is left without its content. */
type Transfer = (value: object) => object;
type Cloner = (value: object) => object;

interface Transferable {
  is(value: unknown): boolean;
  /** Undefined where it may be moved, otherwise why not. */
  hindrance(value: object): string | undefined;
  move: Transfer;
}

const transfers: Transferable[] = [];
const cloners: { is(value: unknown): boolean; clone: Cloner }[] = [];

/** Makes a class of platform objects transferable. */
export function registerTransfer(transferable: Transferable): void {
  transfers.push(transferable);
}

/** Makes a class of platform objects serializable. */
export function registerCloner(is: (value: unknown) => boolean, clone: Cloner): void {
  cloners.push({ is, clone });
}

const ERROR_CLASSES: Record<string, ErrorConstructor> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

const uncurry = Function.prototype.bind.bind(Function.prototype.call) as unknown as (
  method: unknown,
) => (self: unknown, ...args: unknown[]) => unknown;
const getter = (prototype: object, name: string) =>
  uncurry(Object.getOwnPropertyDescriptor(prototype, name)!.get);

const booleanOf = uncurry(Boolean.prototype.valueOf);
const numberOf = uncurry(Number.prototype.valueOf);
const stringOf = uncurry(String.prototype.valueOf);
const bigintOf = uncurry(BigInt.prototype.valueOf);
const symbolOf = uncurry(Symbol.prototype.valueOf);
const timeOf = uncurry(Date.prototype.getTime);
const sourceOf = getter(RegExp.prototype, "source");
const hasGlobal = getter(RegExp.prototype, "global");
const flagsOf = getter(RegExp.prototype, "flags");
const sizeOfMap = getter(Map.prototype, "size");
const sizeOfSet = getter(Set.prototype, "size");
const eachOfMap = uncurry(Map.prototype.forEach);
const eachOfSet = uncurry(Set.prototype.forEach);
const weakMapHas = uncurry(WeakMap.prototype.has);
const weakSetHas = uncurry(WeakSet.prototype.has);
const derefOf = uncurry(WeakRef.prototype.deref);
const thenOf = uncurry(Promise.prototype.then);
const tagOf = uncurry(Object.prototype.toString);
const transferBuffer = uncurry(ArrayBuffer.prototype.transfer);

const { isError = (value: unknown) => value instanceof Error } = Error as {
  isError?: (value: unknown) => boolean;
};

function answers(probe: () => unknown): boolean {
  try {
    probe();
    return true;
  } catch {
    return false;
  }
}

function refuse(value: unknown, why = "could not be cloned"): never {
  const shown =
    typeof value === "symbol" ? value.toString() : typeof value === "function" ? "a function" : tagOf(value);
  throw domException("DataCloneError", `${shown} ${why}`);
}

interface Memory {
  readonly copies: Map<object, object>;
  /** Where views lay before their buffers were moved. */
  readonly views: Map<object, { byteOffset: number; length: number }>;
}

function clone(value: unknown, memory: Memory): unknown {
  if (typeof value === "symbol" || typeof value === "function") refuse(value);
  if (!isObject(value)) return value;
  const known = memory.copies.get(value);
  if (known) return known;
  if (value instanceof Map || value instanceof Set) return cloneDeep(value, memory);
  const leaf = cloneLeaf(value, memory);
  if (leaf) {
    memory.copies.set(value, leaf);
    return leaf;
  }
  return cloneDeep(value, memory);
}

/** Objects whose content is no other object: wrappers, dates, expressions, buffers, errors, blobs. */
function cloneLeaf(value: object, memory: Memory): object | undefined {
  for (const { is, clone: own } of cloners) if (is(value)) return own(value);
  for (const { is } of transfers) if (is(value)) refuse(value, "must be transferred");
  if (isArrayBuffer(value)) {
    if (isDetached(value)) refuse(value, "is detached");
    return value.slice(0);
  }
  const view = viewName(value);
  if (view !== undefined) return cloneView(value as ArrayBufferView<ArrayBuffer>, view, memory);
  if (isFile(value))
    return fileOf(new GuestBlob([blobBytes(value)], { type: value.type }), value.name, value.lastModified);
  if (isBlob(value)) return new GuestBlob([blobBytes(value)], { type: value.type });
  if (isDomException(value)) return cloneDomException(value as Error);
  if (isPlatformObject(value)) refuse(value);
  if (isError(value)) return cloneError(value as Error, memory);
  return cloneWrapper(value);
}

/** The classes whose brand only their own methods can tell; asked in the order of how often they occur. */
function cloneWrapper(value: object): object | undefined {
  const prototype = Object.getPrototypeOf(value);
  if ((prototype === Object.prototype || prototype === null) && !(Symbol.toStringTag in value)) {
    return tagOf(value) === "[object Object]" ? undefined : cloneBranded(value);
  }
  return Array.isArray(value) ? undefined : cloneBranded(value);
}

function cloneBranded(value: object): object | undefined {
  if (answers(() => timeOf(value))) return new Date(timeOf(value) as number);
  if (answers(() => hasGlobal(value)) && value !== RegExp.prototype) {
    return new RegExp(sourceOf(value) as string, flagsOf(value) as string);
  }
  for (const read of [booleanOf, numberOf, stringOf, bigintOf]) {
    if (answers(() => read(value))) return Object(read(value)) as object;
  }
  if (answers(() => symbolOf(value))) refuse(value);
  const probe = {};
  const isRefused =
    answers(() => weakMapHas(value, probe)) ||
    answers(() => weakSetHas(value, probe)) ||
    answers(() => derefOf(value)) ||
    isPromise(value) ||
    /^\[object (?:Generator|AsyncGenerator)\]$/.test(tagOf(value) as string);
  if (isRefused) refuse(value);
  return undefined;
}

function isPromise(value: object): boolean {
  return value instanceof Promise && answers(() => thenOf(value, undefined, () => {}));
}

function cloneView(view: ArrayBufferView<ArrayBuffer>, name: string, memory: Memory): object {
  let place = memory.views.get(view);
  if (!place) {
    if (isDetached(view.buffer)) refuse(view, "is detached");
    const { byteOffset, byteLength } = view;
    place = { byteOffset, length: name === "DataView" ? byteLength : (view as Uint8Array).length };
    memory.views.set(view, place);
  }
  const buffer = clone(view.buffer, memory) as ArrayBuffer;
  const constructors = VIEWS as unknown as Record<
    string,
    new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => object
  >;
  return new constructors[name]!(buffer, place.byteOffset, place.length);
}

const VIEWS = {
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array: (globalThis as { Float16Array?: unknown }).Float16Array,
};

function cloneDomException(value: Error): Error {
  const copy = domException(value.name, value.message);
  keepStack(copy, value);
  return copy;
}

function keepStack(copy: Error, from: Error): void {
  const stack = Object.getOwnPropertyDescriptor(from, "stack");
  const text: unknown = stack && ("value" in stack ? stack.value : from.stack);
  if (typeof text === "string") {
    Object.defineProperty(copy, "stack", { value: text, writable: true, configurable: true });
  }
}

function cloneError(value: Error, memory: Memory): Error {
  const name: unknown = value.name;
  const Class = (name !== undefined && ERROR_CLASSES[String(name)]) || Error;
  const message = Object.getOwnPropertyDescriptor(value, "message");
  const copy = message && "value" in message ? new Class(String(message.value)) : new Class();
  memory.copies.set(value, copy);
  keepStack(copy, value);
  const cause = Object.getOwnPropertyDescriptor(value, "cause");
  if (cause && "value" in cause) {
    const cloned = clone(cause.value, memory);
    Object.defineProperty(copy, "cause", { value: cloned, writable: true, configurable: true });
  }
  return copy;
}

function cloneDeep(value: object, memory: Memory): object {
  if (answers(() => sizeOfMap(value))) return cloneMap(value, memory);
  if (answers(() => sizeOfSet(value))) return cloneSet(value, memory);
  const copy: Record<string, unknown> = Array.isArray(value) ? (new Array(value.length) as never) : {};
  memory.copies.set(value, copy);
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(value, key)) continue;
    const cloned = clone((value as Record<string, unknown>)[key], memory);
    Object.defineProperty(copy, key, { value: cloned, writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

function cloneMap(value: object, memory: Memory): object {
  const copy = new Map<unknown, unknown>();
  memory.copies.set(value, copy);
  const pairs: [unknown, unknown][] = [];
  eachOfMap(value, (item: unknown, key: unknown) => pairs.push([key, item]));
  for (const [key, item] of pairs) copy.set(clone(key, memory), clone(item, memory));
  return copy;
}

function cloneSet(value: object, memory: Memory): object {
  const copy = new Set<unknown>();
  memory.copies.set(value, copy);
  const items: unknown[] = [];
  eachOfSet(value, (item: unknown) => items.push(item));
  for (const item of items) copy.add(clone(item, memory));
  return copy;
}

/** Throws a DataCloneError. */
export function structuredCloneOf(value: unknown, transferred: readonly object[] = []): unknown {
  const memory: Memory = { copies: new Map(), views: new Map() };
  const moves: [object, Transfer, Transferable?][] = [];
  const seen = new Set<object>();
  for (const object of transferred) {
    const own = transfers.find(({ is }) => is(object));
    if (!own && !isArrayBuffer(object)) refuse(object, "cannot be transferred");
    if (seen.has(object)) refuse(object, "is transferred twice");
    seen.add(object);
    const hindrance = own?.hindrance(object);
    if (hindrance !== undefined) refuse(object, hindrance);
    if (own) moves.push([object, own.move, own]);
    else {
      if (isDetached(object as ArrayBuffer)) refuse(object, "is detached");
      moves.push([object, (buffer) => transferBuffer(buffer) as object]);
    }
  }
  if (moves.length === 0) return clone(value, memory);
  // Nothing is moved unless all of it can be cloned: the first pass only shows that.
  const trial: Memory = { copies: new Map(), views: memory.views };
  for (const [object] of moves) {
    trial.copies.set(object, isArrayBuffer(object) ? new ArrayBuffer(object.byteLength) : {});
  }
  clone(value, trial);
  for (const [object, move, own] of moves) {
    // Moving one may have taken another along: a transform stream its two sides.
    const hindrance = own?.hindrance(object);
    if (hindrance !== undefined) refuse(object, hindrance);
    memory.copies.set(object, move(object));
  }
  return clone(value, memory);
}

export function installStructuredClone(): void {
  defineOperation("structuredClone", function structuredClone(value: unknown, options: unknown = {}) {
    requireArguments(arguments.length, 1, "structuredClone");
    const { transfer } = toDictionary(options, "The options");
    const list = transfer === undefined ? [] : toSequence(transfer, "The transfer list");
    for (const one of list) if (!isObject(one)) throw new TypeError("The transfer list holds objects");
    return structuredCloneOf(value, list as object[]);
  });
}

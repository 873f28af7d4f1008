/**
 * Built-ins as they were before any author's code ran: it may replace every one of them. What the guest's own code
 * calls after that comes from here.
 */
type Uncurried<T> = T extends (this: infer This, ...args: infer Args) => infer Result
  ? (self: This, ...args: Args) => Result
  : never;

export const uncurry = Function.prototype.bind.bind(Function.prototype.call) as <T>(
  method: T,
) => Uncurried<T>;

export const { parse, stringify } = JSON;
export const { isArray } = Array;
export const { max, min, trunc, ceil } = Math;
export const { assign, create, freeze, defineProperty, keys, hasOwn, getPrototypeOf } = Object;
export const ObjectPrototype = Object.prototype;
export const { apply, construct, deleteProperty, defineProperty: tryDefineProperty } = Reflect;
export const toText = String;
export const toNumber = Number;
export const NativeDate = Date;
export const dateNow = Date.now;
export const NativeError = Error;
export const NativeTypeError = TypeError;
export const NativeRangeError = RangeError;
export const NativeMap = Map;
export const NativeProxy = Proxy;
export const NativePromise = Promise;
export const NativeArrayBuffer = ArrayBuffer;
export const NativeBytes = Uint8Array;

export const slice = uncurry(String.prototype.slice) as (text: string, from: number, to?: number) => string;
export const indexOf = uncurry(String.prototype.indexOf) as (text: string, part: string) => number;
export const charCodeAt = uncurry(String.prototype.charCodeAt) as (text: string, index: number) => number;
export const replace = uncurry(RegExp.prototype[Symbol.replace]) as (
  pattern: RegExp,
  text: string,
  by: (mark: string) => string,
) => string;
export const mapGet = uncurry(Map.prototype.get) as <K, V>(map: Map<K, V>, key: K) => V | undefined;
export const mapSet = uncurry(Map.prototype.set) as <K, V>(map: Map<K, V>, key: K, value: V) => void;
export const mapDelete = uncurry(Map.prototype.delete) as <K>(map: Map<K, unknown>, key: K) => boolean;
export const mapEntries = uncurry(Map.prototype.entries) as <K, V>(map: Map<K, V>) => MapIterator<[K, V]>;
export const mapNext = uncurry(getPrototypeOf(new Map().entries()).next) as <T>(
  entries: MapIterator<T>,
) => IteratorResult<T, undefined>;
export const setValues = uncurry(Set.prototype.values) as <T>(set: Set<T>) => SetIterator<T>;
export const setNext = uncurry(getPrototypeOf(new Set().values()).next) as <T>(
  values: SetIterator<T>,
) => IteratorResult<T, undefined>;
export const mapClear = uncurry(Map.prototype.clear) as (map: Map<unknown, unknown>) => void;
export const mapForEach = uncurry(Map.prototype.forEach) as <K, V>(
  map: Map<K, V>,
  visit: (value: V, key: K) => void,
) => void;
export const promiseThen = uncurry(Promise.prototype.then) as <T>(
  promise: Promise<T>,
  onValue?: (value: T) => unknown,
  onError?: (thrown: unknown) => unknown,
) => Promise<unknown>;

/** A property that a prototype answers by a getter: reading it throws on what is not of that kind. */
export function getterOf<T>(prototype: object, key: PropertyKey): (self: unknown) => T {
  const { get } = Object.getOwnPropertyDescriptor(prototype, key) as { get: () => T };
  return uncurry(get as (this: unknown) => T);
}

/** As the platform's own classes and functions stand on the global object. */
export function expose(name: string, value: unknown): void {
  defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

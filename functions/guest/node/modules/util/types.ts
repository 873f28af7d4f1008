/** node:util/types: what a value is, by what the language itself says of it. */

const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** Whether a built-in's own method or getter takes it: no property of the value is asked. */
function isBranded(prototype: object, key: PropertyKey): (value: unknown) => boolean {
  const { get, value: method } = Object.getOwnPropertyDescriptor(prototype, key) ?? {};
  const probe = (get ?? method) as ((this: unknown, ...args: unknown[]) => unknown) | undefined;
  return (value) => {
    if (typeof value !== "object" || value === null || probe === undefined) return false;
    try {
      probe.call(value);
      return true;
    } catch {
      return false;
    }
  };
}

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const viewName = Object.getOwnPropertyDescriptor(TypedArray, Symbol.toStringTag)!.get!;
const isView = (name: string) => (value: unknown) => viewName.call(value) === name;
const isFunctionOf = (tag: string) => (value: unknown) => typeof value === "function" && tagOf(value) === tag;
const isTagged = (tag: string) => (value: unknown) =>
  typeof value === "object" && value !== null && tagOf(value) === tag;

const isArrayBuffer = isBranded(ArrayBuffer.prototype, "byteLength");
const isDataView = isBranded(DataView.prototype, "byteLength");
const isNumberObject = isBranded(Number.prototype, "valueOf");
const isStringObject = isBranded(String.prototype, "valueOf");
const isBooleanObject = isBranded(Boolean.prototype, "valueOf");
const isBigIntObject = isBranded(BigInt.prototype, "valueOf");
const isSymbolObject = isBranded(Symbol.prototype, "valueOf");
const isWeak = (prototype: { has(key: never): boolean }) => {
  const { has } = prototype;
  return (value: unknown) => {
    try {
      has.call(value as typeof prototype, {} as never);
      return true;
    } catch {
      return false;
    }
  };
};

export default {
  isAnyArrayBuffer: isArrayBuffer,
  isArrayBuffer,
  isArgumentsObject: isTagged("Arguments"),
  isArrayBufferView: ArrayBuffer.isView,
  isAsyncFunction: (value: unknown) =>
    typeof value === "function" && /^Async(?:Generator)?Function$/.test(tagOf(value)),
  isBigInt64Array: isView("BigInt64Array"),
  isBigIntObject,
  isBigUint64Array: isView("BigUint64Array"),
  isBooleanObject,
  isBoxedPrimitive: (value: unknown) =>
    [isNumberObject, isStringObject, isBooleanObject, isBigIntObject, isSymbolObject].some((is) => is(value)),
  isCryptoKey: isTagged("CryptoKey"),
  isDataView,
  isDate: isBranded(Date.prototype, "getTime"),
  isExternal: () => false,
  isFloat32Array: isView("Float32Array"),
  isFloat64Array: isView("Float64Array"),
  isGeneratorFunction: isFunctionOf("GeneratorFunction"),
  isGeneratorObject: isTagged("Generator"),
  isInt16Array: isView("Int16Array"),
  isInt32Array: isView("Int32Array"),
  isInt8Array: isView("Int8Array"),
  isKeyObject: () => false,
  isMap: isBranded(Map.prototype, "size"),
  isMapIterator: isTagged("Map Iterator"),
  isModuleNamespaceObject: isTagged("Module"),
  isNativeError: (value: unknown) => value instanceof Error || isTagged("Error")(value),
  isNumberObject,
  isPromise: isTagged("Promise"),
  // The language does not tell.
  isProxy: () => false,
  isRegExp: isTagged("RegExp"),
  isSet: isBranded(Set.prototype, "size"),
  isSetIterator: isTagged("Set Iterator"),
  isSharedArrayBuffer: () => false,
  isStringObject,
  isSymbolObject,
  isTypedArray: (value: unknown) => viewName.call(value) !== undefined,
  isUint16Array: isView("Uint16Array"),
  isUint32Array: isView("Uint32Array"),
  isUint8Array: isView("Uint8Array"),
  isUint8ClampedArray: isView("Uint8ClampedArray"),
  isWeakMap: isWeak(WeakMap.prototype),
  isWeakSet: isWeak(WeakSet.prototype),
};

/** What is not told by its properties: built-ins with slots of their own, and the web platform's objects. */
import { GuestAbortSignal, signals } from "../web/abort.ts";
import { GuestBlob, GuestFile, isBlob, isFile } from "../web/blob.ts";
import { formEntries, GuestFormData, isFormData } from "../web/form-data.ts";
import { GuestHeaders, headersPowers } from "../web/headers.ts";
import { GuestRequest, isRequest } from "../web/request.ts";
import { GuestResponse, isResponse } from "../web/response.ts";
import { GuestURLSearchParams, isSearchParams } from "../web/url.ts";
import {
  getPrototypeOf,
  getterOf,
  mapEntries,
  mapNext,
  NativeArrayBuffer,
  NativeDate,
  NativeMap,
  ObjectPrototype,
  setNext,
  setValues,
  toText,
  uncurry,
} from "./primordials.ts";
import type { Sheet } from "./sheet.ts";

export interface Kind {
  write(value: object, sheet: Sheet): void;
}

interface TestedKind extends Kind {
  /** What objects of this kind inherit from. */
  prototypes: readonly object[];
  /** False, or an exception, where it is not of this kind. */
  is(value: object): boolean;
}

type Pair = readonly [key: string, value: unknown];

const NativeBytes = Uint8Array;
const typedArray = getPrototypeOf(Uint8Array.prototype) as object;
const sizeOfMap = getterOf<number>(NativeMap.prototype, "size");
const sizeOfSet = getterOf<number>(Set.prototype, "size");
const nameOfTypedArray = getterOf<string | undefined>(typedArray, Symbol.toStringTag);
const lengthOfTypedArray = getterOf<number>(typedArray, "length");
const lengthOfBuffer = getterOf<number>(NativeArrayBuffer.prototype, "byteLength");
const lengthOfView = getterOf<number>(DataView.prototype, "byteLength");
const sourceOf = getterOf<string>(RegExp.prototype, "source");
const timeOf = uncurry(NativeDate.prototype.getTime);
/** What a Date can hold: NaN is what an invalid one holds. */
const MAX_TIME_MS = 8.64e15;
const searchPairsOf = uncurry(GuestURLSearchParams.prototype.entries);
/** Of Number, String and Boolean objects. */
const primitivesOf = [
  uncurry(Number.prototype.valueOf),
  uncurry(String.prototype.valueOf),
  uncurry(Boolean.prototype.valueOf),
] as unknown as readonly ((value: object) => unknown)[];

/** Longer chains are a proxy's, which may go on for ever. */
const MAX_ANCESTORS = 20;

/**
 * Asked are only the kinds that the value inherits from: each that says no throws, and an instance of the author's own
 * class would hear that from all of them.
 */
export function findKind(value: object): Kind | undefined {
  let ancestor = getPrototypeOf(value);
  for (let i = 0; i < MAX_ANCESTORS && ancestor !== null && ancestor !== ObjectPrototype; i++) {
    const kind = findKindOf(ancestor, value);
    if (kind) return kind;
    ancestor = getPrototypeOf(ancestor);
  }
  return undefined;
}

function findKindOf(ancestor: object, value: object): Kind | undefined {
  for (let i = 0; i < KINDS.length; i++) {
    const kind = KINDS[i]!;
    for (let j = 0; j < kind.prototypes.length; j++)
      if (kind.prototypes[j] === ancestor && isOf(kind, value)) return kind;
  }
  return undefined;
}

function isOf(kind: TestedKind, value: object): boolean {
  try {
    return kind.is(value);
  } catch {
    // It only inherits from it.
    return false;
  }
}

const KINDS: readonly TestedKind[] = [
  { prototypes: [NativeMap.prototype], is: (value) => sizeOfMap(value) >= 0, write: writeMap },
  { prototypes: [Set.prototype], is: (value) => sizeOfSet(value) >= 0, write: writeSet },
  {
    prototypes: [NativeDate.prototype],
    is: isInvalidDate,
    write: (_, sheet) => sheet.write("Invalid Date"),
  },
  { prototypes: [typedArray], is: (value) => nameOfTypedArray(value) !== undefined, write: writeTypedArray },
  {
    prototypes: [NativeArrayBuffer.prototype],
    is: (value) => lengthOfBuffer(value) >= 0,
    write: writeBuffer,
  },
  {
    prototypes: [DataView.prototype],
    is: (value) => lengthOfView(value) >= 0,
    write: (value, sheet) => sheet.write(`DataView(${lengthOfView(value)})`),
  },
  {
    prototypes: [RegExp.prototype],
    is: (value) => sourceOf(value) !== undefined,
    write: (value, sheet) => sheet.write(toText(value)),
  },
  { prototypes: [GuestHeaders.prototype], is: isHeaders, write: writeHeaders },
  {
    prototypes: [GuestFormData.prototype],
    is: isFormData,
    write: (value, sheet) => writePairs("FormData", formEntries(value as never), sheet),
  },
  { prototypes: [GuestURLSearchParams.prototype], is: isSearchParams, write: writeSearchParams },
  platformKind("Request", isRequest, GuestRequest, ["method", "url", "headers"]),
  platformKind("Response", isResponse, GuestResponse, ["status", "statusText", "url", "headers"]),
  platformKind("File", isFile, GuestFile, ["name"], GuestBlob, ["size", "type"]),
  platformKind("Blob", isBlob, GuestBlob, ["size", "type"]),
  platformKind("AbortSignal", (value) => signals.isSignal(value), GuestAbortSignal, ["aborted", "reason"]),
  {
    prototypes: [Number.prototype, String.prototype, Boolean.prototype],
    is: (value) => primitiveOf(value) !== undefined,
    write: (value, sheet) => sheet.writeValue(primitiveOf(value)),
  },
];

interface Class {
  prototype: object;
}

/** One that tells itself by accessors of its class. */
function platformKind(
  name: string,
  is: (value: object) => boolean,
  ownClass: Class,
  keys: string[],
  parent: Class = ownClass,
  parentKeys: string[] = [],
): TestedKind {
  const toGetter = (holder: Class) => (key: string) =>
    [key, getterOf<unknown>(holder.prototype, key)] as const;
  const getters = [...keys.map(toGetter(ownClass)), ...parentKeys.map(toGetter(parent))];
  return {
    prototypes: [ownClass.prototype],
    is,
    write(value, sheet) {
      sheet.writeList(`${name} {`, "}", getters.length, (i) => {
        const [key, get] = getters[i]!;
        sheet.write(`"${key}":`);
        sheet.writeValue(get(value));
      });
    },
  };
}

function primitiveOf(value: object): unknown {
  for (let i = 0; i < primitivesOf.length; i++) {
    try {
      return primitivesOf[i]!(value);
    } catch {
      // Of another kind.
    }
  }
  return undefined;
}

function isHeaders(value: object): boolean {
  return headersPowers.is(value);
}

function writeMap(value: object, sheet: Sheet): void {
  const count = sizeOfMap(value);
  const entries = mapEntries(value as Map<unknown, unknown>);
  sheet.writeList(`Map(${count}) {`, "}", count, () => {
    const { value: entry } = mapNext(entries);
    sheet.writeValue(entry![0]);
    sheet.write(" => ");
    sheet.writeValue(entry![1]);
  });
}

function writeSet(value: object, sheet: Sheet): void {
  const count = sizeOfSet(value);
  const values = setValues(value as Set<unknown>);
  sheet.writeList(`Set(${count}) {`, "}", count, () => sheet.writeValue(setNext(values).value));
}

/** The valid ones have a form in JSON. */
function isInvalidDate(value: object): boolean {
  return !(timeOf(value as Date) >= -MAX_TIME_MS);
}

function writeTypedArray(value: object, sheet: Sheet): void {
  const count = lengthOfTypedArray(value);
  const items = value as Record<number, unknown>;
  sheet.writeList(`${nameOfTypedArray(value)}(${count}) [`, "]", count, (i) => sheet.writeValue(items[i]));
}

function writeBuffer(value: object, sheet: Sheet): void {
  const count = lengthOfBuffer(value);
  const bytes = count === 0 ? undefined : new NativeBytes(value as ArrayBuffer);
  sheet.writeList(`ArrayBuffer(${count}) [`, "]", count, (i) => sheet.writeValue(bytes![i]));
}

function writeHeaders(value: object, sheet: Sheet): void {
  const pairs = headersPowers.listOf(value as never).sorted();
  sheet.writeList("Headers {", "}", pairs.length, (i) => {
    sheet.writeValue(pairs[i]![0]);
    sheet.write(":");
    sheet.writeValue(pairs[i]![1]);
  });
}

function writePairs(name: string, pairs: readonly Pair[], sheet: Sheet): void {
  sheet.writeList(`${name} {`, "}", pairs.length, (i) => {
    sheet.writeValue(pairs[i]![0]);
    sheet.write(" => ");
    sheet.writeValue(pairs[i]![1]);
  });
}

function writeSearchParams(value: object, sheet: Sheet): void {
  writePairs("URLSearchParams", [...searchPairsOf(value as URLSearchParams)], sheet);
}

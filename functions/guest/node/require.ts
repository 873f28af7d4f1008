/**
 * `require` as bundles call it. A module's script comes from the executor when it is first asked for, and is evaluated
 * in the author's realm with what the author's code has: it is a library, no part of the walls.
 */

import { host } from "../host.ts";
import { GUEST_FILENAME } from "../limits.ts";
import {
  assign,
  mapDelete,
  mapGet,
  mapSet,
  NativeError,
  NativeMap,
  slice,
  toText,
} from "../run/primordials.ts";
import { deno } from "../run/served.ts";
import { services } from "./services.ts";

interface Module {
  exports: unknown;
}

type Factory = (module: Module, exports: unknown, require: (name: string) => unknown) => void;

const PREFIX = "node:";
/** What modules share among themselves; the author's code does not get it by name. */
const INTERNAL_PREFIX = "internal:";

const loaded = new NativeMap<string, Module>();
mapSet(loaded, `${INTERNAL_PREFIX}services`, { exports: services });
/** Indirect, so that a script sees the globals alone. */
// biome-ignore lint/security/noGlobalEval: the script is ours; the author has eval all the same.
const evaluate = globalThis.eval;

function startsWith(text: string, start: string): boolean {
  return slice(text, 0, start.length) === start;
}

/** By its name without `node:`. Throws as Node does where there is none. */
export function requireModule(name: string): unknown {
  const known = mapGet(loaded, name);
  if (known !== undefined) return known.exports;
  const source = host().nodeModule(name);
  if (source === "") throw notFound(name);
  const module: Module = { exports: {} };
  mapSet(loaded, name, module);
  try {
    const factory = evaluate(`${source}\n//# sourceURL=${GUEST_FILENAME}/${name}`) as Factory;
    factory(module, module.exports, requireInternal);
  } catch (thrown) {
    mapDelete(loaded, name);
    throw thrown;
  }
  return module.exports;
}

function requireInternal(name: string): unknown {
  return requireModule(startsWith(name, PREFIX) ? slice(name, PREFIX.length) : name);
}

/** What the author's code has as `require`; by its `deno` the compiler reaches what stands for `Deno`. */
export const require = assign(
  function require(name: unknown): unknown {
    const text = toText(name);
    const plain = startsWith(text, PREFIX) ? slice(text, PREFIX.length) : text;
    if (startsWith(plain, INTERNAL_PREFIX)) throw notFound(text);
    return requireModule(plain);
  },
  { deno },
);

services.requireByName = require;

function notFound(name: string): Error {
  const error = new NativeError(`Cannot find module '${name}'`) as Error & { code: string };
  error.code = "MODULE_NOT_FOUND";
  return error;
}

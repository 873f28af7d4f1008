/** Web IDL's pair iterators: entries, keys, values, forEach. */
import { requireArguments, tag } from "./webidl.ts";

type Pair = readonly [key: string, value: unknown];

const arrayIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

/** `pairs` is asked again for each step, so that an iteration sees what changes meanwhile. It throws on a foreign object. */
export function defineIterable<T extends object>(
  interfaceClass: abstract new (...args: never[]) => T,
  name: string,
  pairs: (self: T) => readonly Pair[],
): void {
  class PairIterator {
    readonly #self: T;
    readonly #pick: (pair: Pair) => unknown;
    #index = 0;

    constructor(self: T, pick: (pair: Pair) => unknown) {
      this.#self = self;
      this.#pick = pick;
    }
    next() {
      const all = pairs(this.#self);
      if (this.#index >= all.length) return { value: undefined, done: true };
      return { value: this.#pick(all[this.#index++]!), done: false };
    }
  }
  const { prototype } = PairIterator;
  delete (prototype as Partial<{ constructor: unknown }>).constructor;
  Object.setPrototypeOf(prototype, arrayIteratorPrototype);
  Object.defineProperty(prototype, "next", { enumerable: true });
  tag(prototype, `${name} Iterator`);

  const make = (self: T, pick: (pair: Pair) => unknown) => {
    pairs(self);
    return new PairIterator(self, pick);
  };
  const methods = {
    entries(this: T) {
      return make(this, ([key, value]) => [key, value]);
    },
    keys(this: T) {
      return make(this, ([key]) => key);
    },
    values(this: T) {
      return make(this, ([, value]) => value);
    },
    forEach(this: T, callback: unknown, thisArgument: unknown = undefined) {
      pairs(this);
      requireArguments(arguments.length, 1, `${name}.forEach`);
      if (typeof callback !== "function") throw new TypeError(`${name}.forEach takes a function`);
      for (let i = 0; i < pairs(this).length; i++) {
        const [key, value] = pairs(this)[i]!;
        callback.call(thisArgument, value, key, this);
      }
    },
  };
  for (const [key, value] of Object.entries(methods)) {
    Object.defineProperty(interfaceClass.prototype, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  const iterate = { value: methods.entries, writable: true, enumerable: false, configurable: true };
  Object.defineProperty(interfaceClass.prototype, Symbol.iterator, iterate);
}

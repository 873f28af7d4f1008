/** node:timers, over the platform's. A timer is an object here, as in Node; the globals answer numbers. */
import promises from "node:timers/promises";

type Callback = (...args: unknown[]) => void;

const {
  setTimeout: setGlobal,
  clearTimeout: clearGlobal,
  setInterval: setRepeating,
} = globalThis as unknown as Record<
  "setTimeout" | "clearTimeout" | "setInterval",
  (...args: unknown[]) => number
>;

class Timeout {
  #id: number;
  readonly #start: () => number;

  constructor(start: () => number) {
    this.#start = start;
    this.#id = start();
  }
  ref() {
    return this;
  }
  /** A run ends when its function is through, whatever its timers. */
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
  refresh() {
    clearGlobal(this.#id);
    this.#id = this.#start();
    return this;
  }
  close() {
    clearGlobal(this.#id);
    return this;
  }
  [Symbol.toPrimitive]() {
    return this.#id;
  }
  [Symbol.dispose ?? Symbol.for("nodejs.dispose")]() {
    clearGlobal(this.#id);
  }
}

class Immediate extends Timeout {}

function clear(timer: unknown): void {
  if (timer instanceof Timeout) timer.close();
  else clearGlobal(timer);
}

const promisifyCustom = Symbol.for("nodejs.util.promisify.custom");

const setTimeout = (callback: Callback, delayMs?: number, ...args: unknown[]) =>
  new Timeout(() => setGlobal(callback, delayMs, ...args));
const setImmediate = (callback: Callback, ...args: unknown[]) =>
  new Immediate(() => setGlobal(callback, 0, ...args));

export default {
  setTimeout: Object.assign(setTimeout, { [promisifyCustom]: promises.setTimeout }),
  setInterval: (callback: Callback, delayMs?: number, ...args: unknown[]) =>
    new Timeout(() => setRepeating(callback, delayMs, ...args)),
  setImmediate: Object.assign(setImmediate, { [promisifyCustom]: promises.setImmediate }),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
  promises,
};

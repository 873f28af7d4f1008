/** Node's globals: each is made when it is first looked at. */
import { defineProperty, expose } from "../run/primordials.ts";
import { requireModule } from "./require.ts";

function defineLazily(name: string, make: () => unknown): void {
  defineProperty(globalThis, name, {
    configurable: true,
    enumerable: false,
    get() {
      const value = make();
      expose(name, value);
      return value;
    },
    set(value: unknown) {
      expose(name, value);
    },
  });
}

type Exports = Record<string, unknown>;

/** To be called while the snapshot is made, after everything that asks whether it runs in Node. */
export function installNodeGlobals(): void {
  expose("global", globalThis);
  defineLazily("process", () => requireModule("process"));
  defineLazily("Buffer", () => (requireModule("buffer") as Exports)["Buffer"]);
  defineLazily("setImmediate", () => (requireModule("timers") as Exports)["setImmediate"]);
  defineLazily("clearImmediate", () => (requireModule("timers") as Exports)["clearImmediate"]);
}

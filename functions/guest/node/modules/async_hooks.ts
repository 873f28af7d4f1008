/**
 * node:async_hooks. The stores of all AsyncLocalStorages are one frame, which is never changed but replaced. Whoever is
 * called later (a reaction of a promise, a timer, a microtask) gets the frame that stood when it was asked for. `await`
 * goes past `Promise.prototype.then` where V8 does it itself: the compiler writes it out for revisions that name this
 * module.
 */
import "internal:async-functions";
import services from "internal:services";

type Frame = ReadonlyMap<object, unknown> | undefined;
type AnyFunction = (this: unknown, ...args: never[]) => unknown;

let frame: Frame;

function within<T>(other: Frame, work: () => T): T {
  const before = frame;
  frame = other;
  try {
    return work();
  } finally {
    frame = before;
  }
}

function bind<F extends AnyFunction>(callback: F): F {
  const kept = frame;
  const bound = function (this: unknown, ...args: never[]) {
    return within(kept, () => callback.apply(this, args));
  };
  return bound as F;
}

services.setBinder(bind);
services.onRun(() => {
  frame = undefined;
});

const native = Promise.prototype.then;
type Reaction = ((value: never) => unknown) | null | undefined;
// biome-ignore lint/suspicious/noThenProperty: it is the one of promises.
Object.defineProperty(Promise.prototype, "then", {
  value: function then(this: Promise<unknown>, onValue?: Reaction, onError?: Reaction) {
    return native.call(
      this,
      typeof onValue === "function" ? (bind(onValue) as never) : onValue,
      typeof onError === "function" ? (bind(onError) as never) : onError,
    );
  },
  writable: true,
  configurable: true,
});

class AsyncLocalStorage<Store> {
  readonly name: string;
  readonly #defaultValue: Store | undefined;

  constructor({ name = "", defaultValue }: { name?: string; defaultValue?: Store } = {}) {
    this.name = name;
    this.#defaultValue = defaultValue;
  }

  getStore(): Store | undefined {
    return frame?.has(this) ? (frame.get(this) as Store) : this.#defaultValue;
  }

  run<R, A extends unknown[]>(store: Store, callback: (...args: A) => R, ...args: A): R {
    return within(this.#with(store), () => callback(...args));
  }

  exit<R, A extends unknown[]>(callback: (...args: A) => R, ...args: A): R {
    return within(this.#without(), () => callback(...args));
  }

  enterWith(store: Store): void {
    frame = this.#with(store);
  }

  disable(): void {
    frame = this.#without();
  }

  #with(store: Store): Frame {
    return new Map(frame).set(this, store);
  }

  #without(): Frame {
    const rest = new Map(frame);
    rest.delete(this);
    return rest;
  }

  static bind<F extends AnyFunction>(callback: F): F {
    return bind(callback);
  }

  static snapshot(): <R, A extends unknown[]>(callback: (...args: A) => R, ...args: A) => R {
    const kept = frame;
    return (callback, ...args) => within(kept, () => callback(...args));
  }
}

let lastId = 1;

class AsyncResource {
  readonly type: string;
  readonly #frame = frame;
  readonly #id = ++lastId;

  constructor(type: string) {
    this.type = type;
  }

  runInAsyncScope<R>(
    callback: (this: unknown, ...args: unknown[]) => R,
    self?: unknown,
    ...args: unknown[]
  ): R {
    return within(this.#frame, () => callback.apply(self, args));
  }

  bind<F extends AnyFunction>(callback: F, self?: unknown): F {
    const resource = this;
    const bound = function (this: unknown, ...args: unknown[]) {
      return resource.runInAsyncScope(callback as never, self ?? this, ...args);
    };
    return bound as unknown as F;
  }

  static bind<F extends AnyFunction>(callback: F, type = "bound-anonymous-fn", self?: unknown): F {
    return new AsyncResource(type).bind(callback, self);
  }

  asyncId(): number {
    return this.#id;
  }

  triggerAsyncId(): number {
    return 0;
  }

  emitDestroy(): this {
    return this;
  }
}

export default {
  AsyncLocalStorage,
  AsyncResource,
  // Nothing is told of: promises and timers have no ids here.
  createHook() {
    const hook = { enable: () => hook, disable: () => hook };
    return hook;
  },
  executionAsyncId: () => 0,
  triggerAsyncId: () => 0,
  executionAsyncResource: () => ({}),
};

/** node:events: the package's EventEmitter, which may be called without `new`, and what came to Node since. */
import Emitter from "events/events.js";

type Listener = (...args: unknown[]) => void;
type AnyEmitter = InstanceType<typeof Emitter>;
type Options = { signal?: AbortSignal; close?: string[] };

const errorMonitor = Symbol.for("events.errorMonitor");
const captureRejectionSymbol = Symbol.for("nodejs.rejection");

const { emit } = Emitter.prototype;
Emitter.prototype.emit = function (this: AnyEmitter, name: string, ...args: unknown[]) {
  if (name === "error") {
    if (this.listenerCount(errorMonitor) > 0) emit.call(this, errorMonitor, ...args);
    const [thrown] = args;
    if (this.listenerCount("error") === 0 && !(thrown instanceof Error)) throw unhandledError(thrown);
  }
  return emit.call(this, name, ...args);
} as typeof emit;

/** The package tells of the message of an error alone. */
function unhandledError(context: unknown): Error {
  const error = new Error(
    `Unhandled error. (${typeof context === "string" ? `'${context}'` : String(context)})`,
  );
  return Object.assign(error, { code: "ERR_UNHANDLED_ERROR", context });
}

function abortError(signal: AbortSignal): Error {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  return Object.assign(error, { name: "AbortError", code: "ABORT_ERR" });
}

const isEmitter = (target: object): target is AnyEmitter =>
  typeof (target as { removeListener?: unknown }).removeListener === "function";

function listen(target: object, name: string | symbol, listener: Listener): () => void {
  if (isEmitter(target)) {
    target.on(name, listener);
    return () => target.removeListener(name, listener);
  }
  const events = target as EventTarget;
  events.addEventListener(String(name), listener as never);
  return () => events.removeEventListener(String(name), listener as never);
}

/** Resolves with the arguments of the next event of that name. */
function once(target: object, name: string | symbol, { signal }: Options = {}): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const offs: (() => void)[] = [];
    const settle = (work: () => void) => {
      for (const off of offs) off();
      work();
    };
    offs.push(listen(target, name, (...args) => settle(() => resolve(args))));
    if (name !== "error" && isEmitter(target)) {
      offs.push(listen(target, "error", (error) => settle(() => reject(error))));
    }
    if (signal) offs.push(listen(signal, "abort", () => settle(() => reject(abortError(signal)))));
  });
}

/** Iterates over the events of that name. */
function on(target: object, name: string | symbol, { signal, close = [] }: Options = {}) {
  if (signal?.aborted) throw abortError(signal);
  const values: unknown[][] = [];
  const waiting: { resolve(result: IteratorResult<unknown[]>): void; reject(error: unknown): void }[] = [];
  const offs: (() => void)[] = [];
  let failure: { error: unknown } | undefined;
  let isOver = false;
  const finish = () => {
    isOver = true;
    for (const off of offs.splice(0)) off();
    for (const one of waiting.splice(0)) one.resolve({ value: undefined, done: true });
  };
  const fail = (error: unknown) => {
    const first = waiting.shift();
    if (first) first.reject(error);
    else failure = { error };
    finish();
  };
  offs.push(
    listen(target, name, (...args) => {
      const first = waiting.shift();
      if (first) first.resolve({ value: args, done: false });
      else values.push(args);
    }),
  );
  if (name !== "error" && isEmitter(target)) offs.push(listen(target, "error", fail));
  for (const event of close) offs.push(listen(target, event, finish));
  if (signal) offs.push(listen(signal, "abort", () => fail(abortError(signal))));
  return {
    next(): Promise<IteratorResult<unknown[]>> {
      const value = values.shift();
      if (value) return Promise.resolve({ value, done: false });
      if (failure) {
        const { error } = failure;
        failure = undefined;
        return Promise.reject(error);
      }
      if (isOver) return Promise.resolve({ value: undefined, done: true });
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    async return() {
      finish();
      return { value: undefined, done: true as const };
    },
    async throw(error: unknown) {
      fail(error);
      return { value: undefined, done: true as const };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function addAbortListener(signal: AbortSignal, listener: (event?: Event) => void) {
  let off = () => {};
  if (signal.aborted) queueMicrotask(() => listener());
  else {
    signal.addEventListener("abort", listener, { once: true });
    off = () => signal.removeEventListener("abort", listener);
  }
  return { [Symbol.dispose ?? Symbol.for("nodejs.dispose")]: off };
}

export default Object.assign(Emitter, {
  EventEmitter: Emitter,
  errorMonitor,
  captureRejectionSymbol,
  captureRejections: false,
  usingDomains: false,
  once,
  on,
  addAbortListener,
  listenerCount: (emitter: AnyEmitter, name: string) => emitter.listenerCount(name),
  getEventListeners: (emitter: AnyEmitter, name: string) =>
    typeof emitter.listeners === "function" ? emitter.listeners(name) : [],
  getMaxListeners: (emitter: AnyEmitter) => emitter.getMaxListeners?.() ?? Emitter.defaultMaxListeners,
  setMaxListeners(count: number, ...targets: AnyEmitter[]) {
    if (targets.length === 0) Emitter.defaultMaxListeners = count;
    for (const target of targets) target.setMaxListeners?.(count);
  },
});

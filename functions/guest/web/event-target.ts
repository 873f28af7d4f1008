/** EventTarget of the DOM standard, without a tree; the global object is one. */
import { domException } from "./dom-exception.ts";
import { eventPowers, type GuestEvent, isEvent } from "./events.ts";
import { defineInterface, isObject, requireArguments, toDomString } from "./webidl.ts";

type EventCallback = ((event: GuestEvent) => unknown) | { handleEvent(event: GuestEvent): unknown };

interface Listener {
  readonly type: string;
  readonly callback: EventCallback | null;
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  removed: boolean;
}

/** Told of listeners of a target that come and go, so that a signal stays alive while somebody listens. */
type ListenerWatch = (target: GuestEventTarget, type: string, count: number) => void;
let watchListeners: ListenerWatch = () => {};
export function onListenerChange(watch: ListenerWatch): void {
  watchListeners = watch;
}

let reportException: (thrown: unknown) => void = () => {};
/** What becomes of what a listener throws. */
export function onListenerError(report: (thrown: unknown) => void): void {
  reportException = report;
}

type SignalLike = { readonly aborted: boolean; addEventListener(type: string, callback: () => void): void };
let isSignal: (value: unknown) => boolean = () => false;
export function setSignalCheck(check: (value: unknown) => boolean): void {
  isSignal = check;
}

interface ListenerOptions {
  capture: boolean;
  once: boolean;
  passive: boolean;
  signal: SignalLike | undefined;
}

function flatten(options: unknown): ListenerOptions {
  const flat: ListenerOptions = { capture: false, once: false, passive: false, signal: undefined };
  if (!isObject(options)) return { ...flat, capture: Boolean(options) };
  const { capture, once, passive, signal } = options as Record<string, unknown>;
  flat.capture = Boolean(capture);
  flat.once = Boolean(once);
  flat.passive = Boolean(passive);
  if (signal !== undefined) {
    if (!isSignal(signal)) throw new TypeError("The option 'signal' is not an AbortSignal");
    flat.signal = signal as SignalLike;
  }
  return flat;
}

function toCallback(value: unknown): EventCallback | null {
  if (value === null || value === undefined) return null;
  if (!isObject(value)) throw new TypeError("An event listener is a function or an object");
  return value as EventCallback;
}

let getHandler: (target: unknown, type: string) => unknown;
let setHandler: (target: unknown, type: string, value: unknown) => void;
let isTarget: (value: unknown) => boolean;
let hasListener: (target: GuestEventTarget, type: string) => boolean;
/** Stands for the global object, which is an event target without being an instance of one. */
let globalTarget: GuestEventTarget | undefined;

export class GuestEventTarget {
  #listeners: Listener[] = [];
  /** Handlers set by attributes such as `onabort`: they keep their place among the listeners. */
  #handlers: Record<string, { callback: unknown; listener: Listener } | undefined> = {};

  addEventListener(type: unknown, callback: unknown, options: unknown = {}) {
    requireArguments(arguments.length, 2, "addEventListener");
    const target = self(this);
    const name = toDomString(type);
    const listened = toCallback(callback);
    const { capture, once, passive, signal } = flatten(options);
    if (signal?.aborted || listened === null) return;
    if (target.#find(name, listened, capture) !== undefined) return;
    const listener: Listener = { type: name, callback: listened, capture, once, passive, removed: false };
    target.#add(listener);
    signal?.addEventListener("abort", () => target.#remove(listener));
  }

  removeEventListener(type: unknown, callback: unknown, options: unknown = {}) {
    requireArguments(arguments.length, 2, "removeEventListener");
    const target = self(this);
    const name = toDomString(type);
    const listened = toCallback(callback);
    const capture = isObject(options)
      ? Boolean((options as { capture?: unknown }).capture)
      : Boolean(options);
    const found = target.#find(name, listened, capture);
    if (found) target.#remove(found);
  }

  dispatchEvent(event: unknown): boolean {
    requireArguments(arguments.length, 1, "dispatchEvent");
    const target = self(this);
    if (!isEvent(event)) throw new TypeError("dispatchEvent takes an Event");
    return target.#dispatch(event);
  }

  #find(type: string, callback: EventCallback | null, capture: boolean): Listener | undefined {
    return this.#listeners.find(
      (one) => one.type === type && one.callback === callback && one.capture === capture,
    );
  }

  #add(listener: Listener): void {
    this.#listeners = [...this.#listeners, listener];
    this.#tell(listener.type);
  }

  #remove(listener: Listener): void {
    if (listener.removed) return;
    listener.removed = true;
    this.#listeners = this.#listeners.filter((one) => one !== listener);
    this.#tell(listener.type);
  }

  #tell(type: string): void {
    if (type === "abort")
      watchListeners(this, type, this.#listeners.filter((one) => one.type === type).length);
  }

  #dispatch(event: GuestEvent): boolean {
    const seen = this === globalTarget ? globalThis : this;
    if (!eventPowers.begin(event, seen))
      throw domException("InvalidStateError", "The event is being dispatched");
    const { type } = event;
    for (const listener of this.#listeners) {
      if (listener.type !== type || listener.removed) continue;
      if (listener.once) this.#remove(listener);
      eventPowers.enterListener(event, listener.passive);
      try {
        const { callback } = listener;
        if (typeof callback === "function") callback.call(seen as never, event);
        else {
          const handle: unknown = callback!.handleEvent;
          if (typeof handle !== "function") throw new TypeError("handleEvent is not a function");
          handle.call(callback, event);
        }
      } catch (thrown) {
        reportException(thrown);
      }
      eventPowers.leaveListener(event);
      if (eventPowers.isStopped(event)) break;
    }
    return eventPowers.end(event);
  }

  static {
    getHandler = (target, type) => self(target).#handlers[type]?.callback ?? null;
    setHandler = (target, type, value) => {
      const own = self(target);
      const callback = isObject(value) ? value : null;
      const before = own.#handlers[type];
      if (callback === null) {
        if (before) own.#remove(before.listener);
        own.#handlers[type] = undefined;
      } else if (before) before.callback = callback;
      else {
        const handler = { callback: callback as unknown, listener: undefined as unknown as Listener };
        const run = (event: GuestEvent) => {
          if (typeof handler.callback === "function") handler.callback.call(event.currentTarget, event);
        };
        handler.listener = {
          type,
          callback: run,
          capture: false,
          once: false,
          passive: false,
          removed: false,
        };
        own.#handlers[type] = handler;
        own.#add(handler.listener);
      }
    };
    hasListener = (target, type) => target.#listeners.some((one) => one.type === type);
    isTarget = (value) => isObject(value) && #listeners in value;
  }
}

function self(value: unknown): GuestEventTarget {
  if (value === undefined || value === null || value === globalThis) return globalTarget!;
  if (!isTarget(value)) throw new TypeError("Illegal invocation");
  return value as GuestEventTarget;
}

/** Defines the attribute `on<type>`. */
export function defineHandler(prototype: object, type: string): void {
  const descriptor = Object.getOwnPropertyDescriptor(
    {
      get [`on${type}`]() {
        return getHandler(this, type);
      },
      set [`on${type}`](value: unknown) {
        setHandler(this, type, value);
      },
    },
    `on${type}`,
  )!;
  Object.defineProperty(prototype, `on${type}`, descriptor);
}

/** Dispatches on the global object; false where a listener prevented the default. */
export function dispatchOnGlobal(event: GuestEvent): boolean {
  return globalTarget!.dispatchEvent(event);
}

/** Whether the global object has a listener of that type. */
export function isListenedTo(type: string): boolean {
  return hasListener(globalTarget!, type);
}

/** Listeners on the global object belong to the module that set them: they stay for the isolate's life. */
export function installEventTarget(): void {
  defineInterface("EventTarget", GuestEventTarget);
  globalTarget = new GuestEventTarget();
  for (const operation of ["addEventListener", "removeEventListener", "dispatchEvent"] as const) {
    const value = GuestEventTarget.prototype[operation];
    Object.defineProperty(globalThis, operation, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  defineHandler(globalThis, "error");
  defineHandler(globalThis, "unhandledrejection");
  defineHandler(globalThis, "rejectionhandled");
}

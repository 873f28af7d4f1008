/** Event, CustomEvent, ErrorEvent, PromiseRejectionEvent and EventTarget of the DOM standard, without a tree. */
import { clock } from "../run/timers.ts";
import { domException } from "./dom-exception.ts";
import {
  defineConstants,
  defineInterface,
  isObject,
  requireArguments,
  toDictionary,
  toDomString,
  toUnsigned,
} from "./webidl.ts";

const PHASES = { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };

type EventCallback = ((event: GuestEvent) => unknown) | { handleEvent(event: GuestEvent): unknown };

interface Listener {
  readonly type: string;
  readonly callback: EventCallback | null;
  readonly capture: boolean;
  readonly once: boolean;
  readonly passive: boolean;
  removed: boolean;
}

/** What the guest's own code may do with an event that its author may not. */
interface EventPowers {
  begin(event: GuestEvent, target: object): boolean;
  end(event: GuestEvent): boolean;
  isStopped(event: GuestEvent): boolean;
  enterListener(event: GuestEvent, passive: boolean): void;
  leaveListener(event: GuestEvent): void;
  trust(event: GuestEvent): void;
}

let powers: EventPowers;
let isTrusted: (event: GuestEvent) => boolean;
export let isEvent: (value: unknown) => value is GuestEvent;

/** An own accessor on each event, as the standard has it; the same function on all. */
const IS_TRUSTED = Object.getOwnPropertyDescriptor(
  {
    get isTrusted() {
      return isTrusted(this as unknown as GuestEvent);
    },
  },
  "isTrusted",
)!;
IS_TRUSTED.configurable = false;

export class GuestEvent {
  readonly #type: string;
  #bubbles: boolean;
  #cancelable: boolean;
  readonly #composed: boolean;
  readonly #timeStamp = clock();
  #target: object | null = null;
  #dispatching = false;
  #stopped = false;
  #stoppedNow = false;
  #canceled = false;
  #inPassive = false;
  #typeNow: string;

  constructor(type: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "Event");
    this.#type = toDomString(type);
    this.#typeNow = this.#type;
    const { bubbles, cancelable, composed } = toDictionary(init, "The event's init");
    this.#bubbles = Boolean(bubbles);
    this.#cancelable = Boolean(cancelable);
    this.#composed = Boolean(composed);
    Object.defineProperty(this, "isTrusted", IS_TRUSTED);
  }

  get type() {
    return this.#typeNow;
  }
  get target() {
    return this.#target;
  }
  get srcElement() {
    return this.#target;
  }
  get currentTarget() {
    return this.#dispatching ? this.#target : null;
  }
  composedPath(): object[] {
    return this.#dispatching && this.#target ? [this.#target] : [];
  }
  get eventPhase() {
    return this.#dispatching ? PHASES.AT_TARGET : PHASES.NONE;
  }
  stopPropagation() {
    this.#stopped = true;
  }
  get cancelBubble() {
    return this.#stopped;
  }
  set cancelBubble(value) {
    if (value) this.#stopped = true;
  }
  stopImmediatePropagation() {
    this.#stopped = true;
    this.#stoppedNow = true;
  }
  get bubbles() {
    return this.#bubbles;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get returnValue() {
    return !this.#canceled;
  }
  set returnValue(value) {
    if (!value) this.preventDefault();
  }
  preventDefault() {
    if (this.#cancelable && !this.#inPassive) this.#canceled = true;
  }
  get defaultPrevented() {
    return this.#canceled;
  }
  get composed() {
    return this.#composed;
  }
  get timeStamp() {
    return this.#timeStamp;
  }
  initEvent(type: unknown, bubbles: unknown = false, cancelable: unknown = false) {
    requireArguments(arguments.length, 1, "initEvent");
    const name = toDomString(type);
    if (this.#dispatching) return;
    this.#typeNow = name;
    this.#bubbles = Boolean(bubbles);
    this.#cancelable = Boolean(cancelable);
    this.#canceled = false;
    this.#stopped = false;
    this.#stoppedNow = false;
    this.#target = null;
  }

  static {
    const trusted = new WeakSet<GuestEvent>();
    isTrusted = (event) => #type in event && trusted.has(event);
    isEvent = (value): value is GuestEvent => isObject(value) && #type in value;
    powers = {
      begin(event, target) {
        if (event.#dispatching) return false;
        event.#dispatching = true;
        event.#target = target;
        return true;
      },
      end(event) {
        event.#dispatching = false;
        event.#stopped = false;
        event.#stoppedNow = false;
        return !event.#canceled;
      },
      isStopped: (event) => event.#stoppedNow,
      enterListener(event, passive) {
        event.#inPassive = passive;
      },
      leaveListener(event) {
        event.#inPassive = false;
      },
      trust: (event) => trusted.add(event),
    };
  }
}

/** An event of the platform's own making. */
export function trustedEvent<T extends GuestEvent>(event: T): T {
  powers.trust(event);
  return event;
}

class GuestCustomEvent extends GuestEvent {
  #detail: unknown;

  constructor(type: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "CustomEvent");
    super(type, init);
    this.#detail = toDictionary(init, "The event's init")["detail"] ?? null;
  }
  get detail() {
    return this.#detail;
  }
  initCustomEvent(type: unknown, bubbles = false, cancelable = false, detail: unknown = null) {
    requireArguments(arguments.length, 1, "initCustomEvent");
    const isFree = this.eventPhase === PHASES.NONE;
    this.initEvent(type, bubbles, cancelable);
    if (isFree) this.#detail = detail;
  }
}

export class GuestErrorEvent extends GuestEvent {
  readonly #message: string;
  readonly #filename: string;
  readonly #lineno: number;
  readonly #colno: number;
  readonly #error: unknown;

  constructor(type: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "ErrorEvent");
    super(type, init);
    const { message = "", filename = "", lineno = 0, colno = 0, error } = toDictionary(init, "The event's init");
    this.#message = toDomString(message);
    this.#filename = toDomString(filename);
    this.#lineno = toUnsigned(lineno, 32);
    this.#colno = toUnsigned(colno, 32);
    this.#error = error;
  }
  get message() {
    return this.#message;
  }
  get filename() {
    return this.#filename;
  }
  get lineno() {
    return this.#lineno;
  }
  get colno() {
    return this.#colno;
  }
  get error() {
    return this.#error;
  }
}

class GuestPromiseRejectionEvent extends GuestEvent {
  readonly #promise: unknown;
  readonly #reason: unknown;

  constructor(type: unknown, init: unknown) {
    requireArguments(arguments.length, 2, "PromiseRejectionEvent");
    super(type, init);
    const { promise, reason } = toDictionary(init, "The event's init");
    if (!isObject(promise)) throw new TypeError("The event's init has no promise");
    this.#promise = promise;
    this.#reason = reason;
  }
  get promise() {
    return this.#promise;
  }
  get reason() {
    return this.#reason;
  }
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
    if (!isSignal(signal)) throw new TypeError("The option 'signal' is no AbortSignal");
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
    const capture = isObject(options) ? Boolean((options as { capture?: unknown }).capture) : Boolean(options);
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
    if (type === "abort") watchListeners(this, type, this.#listeners.filter((one) => one.type === type).length);
  }

  #dispatch(event: GuestEvent): boolean {
    const seen = this === globalTarget ? globalThis : this;
    if (!powers.begin(event, seen)) throw domException("InvalidStateError", "The event is being dispatched");
    const { type } = event;
    for (const listener of this.#listeners) {
      if (listener.type !== type || listener.removed) continue;
      if (listener.once) this.#remove(listener);
      powers.enterListener(event, listener.passive);
      try {
        const { callback } = listener;
        if (typeof callback === "function") callback.call(seen as never, event);
        else {
          const handle: unknown = callback!.handleEvent;
          if (typeof handle !== "function") throw new TypeError("handleEvent is no function");
          handle.call(callback, event);
        }
      } catch (thrown) {
        reportException(thrown);
      }
      powers.leaveListener(event);
      if (powers.isStopped(event)) break;
    }
    return powers.end(event);
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
        handler.listener = { type, callback: run, capture: false, once: false, passive: false, removed: false };
        own.#handlers[type] = handler;
        own.#add(handler.listener);
      }
    };
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

/** Listeners on the global object belong to the module that set them: they stay for the isolate's life. */
export function installEvents(): void {
  defineConstants(GuestEvent, PHASES);
  defineInterface("Event", GuestEvent);
  defineInterface("CustomEvent", GuestCustomEvent);
  defineInterface("ErrorEvent", GuestErrorEvent);
  defineInterface("PromiseRejectionEvent", GuestPromiseRejectionEvent);
  defineInterface("EventTarget", GuestEventTarget);
  globalTarget = new GuestEventTarget();
  for (const operation of ["addEventListener", "removeEventListener", "dispatchEvent"] as const) {
    const value = GuestEventTarget.prototype[operation];
    Object.defineProperty(globalThis, operation, { value, writable: true, enumerable: true, configurable: true });
  }
  defineHandler(globalThis, "error");
  defineHandler(globalThis, "unhandledrejection");
  defineHandler(globalThis, "rejectionhandled");
}

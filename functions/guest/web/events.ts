/** Event, CustomEvent, ErrorEvent and PromiseRejectionEvent of the DOM and HTML standards, without a tree. */
import { clock } from "../run/timers.ts";
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

/** What the guest's own code may do with an event that its author may not. */
export interface EventPowers {
  begin(event: GuestEvent, target: object): boolean;
  end(event: GuestEvent): boolean;
  isStopped(event: GuestEvent): boolean;
  enterListener(event: GuestEvent, passive: boolean): void;
  leaveListener(event: GuestEvent): void;
  trust(event: GuestEvent): void;
}

export let eventPowers: EventPowers;
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
    eventPowers = {
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
  eventPowers.trust(event);
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
    const {
      message = "",
      filename = "",
      lineno = 0,
      colno = 0,
      error,
    } = toDictionary(init, "The event's init");
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

export function installEvents(): void {
  defineConstants(GuestEvent, PHASES);
  defineInterface("Event", GuestEvent);
  defineInterface("CustomEvent", GuestCustomEvent);
  defineInterface("ErrorEvent", GuestErrorEvent);
  defineInterface("PromiseRejectionEvent", GuestPromiseRejectionEvent);
}

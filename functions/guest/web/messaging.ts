/** MessageEvent, MessageChannel and MessagePort of the HTML standard, within one isolate. */
import { addTimer } from "../run/timers.ts";
import { defineHandler, GuestEventTarget } from "./event-target.ts";
import { GuestEvent, trustedEvent } from "./events.ts";
import { registerTransfer, structuredCloneOf } from "./structured-clone.ts";
import {
  defineInterface,
  INTERNAL,
  isObject,
  refuseConstruction,
  requireArguments,
  toDictionary,
  toDomString,
  toSequence,
  toUsvString,
} from "./webidl.ts";

class GuestMessageEvent extends GuestEvent {
  readonly #data: unknown;
  readonly #origin: string;
  readonly #lastEventId: string;
  readonly #source: unknown;
  readonly #ports: readonly unknown[];

  constructor(type: unknown, init: unknown = {}) {
    requireArguments(arguments.length, 1, "MessageEvent");
    super(type, init);
    const {
      data = null,
      origin = "",
      lastEventId = "",
      source = null,
      ports = [],
    } = toDictionary(init, "The init");
    this.#data = data;
    this.#origin = toUsvString(origin);
    this.#lastEventId = toDomString(lastEventId);
    this.#source = source;
    this.#ports = Object.freeze(toSequence(ports, "The event's ports"));
  }
  get data() {
    return this.#data;
  }
  get origin() {
    return this.#origin;
  }
  get lastEventId() {
    return this.#lastEventId;
  }
  get source() {
    return this.#source;
  }
  get ports() {
    return this.#ports;
  }
}

/** One end of a channel: its queue and who holds it. A transferred port leaves its end to a new one. */
class End {
  other: End | undefined;
  port: GuestMessagePort | undefined;
  isStarted = false;
  isClosed = false;
  queue: { data: unknown; ports: object[] }[] = [];
}

let entangle: (a: GuestMessagePort, b: GuestMessagePort) => void;

class GuestMessagePort extends GuestEventTarget {
  #end: End | undefined = new End();

  constructor(mark?: unknown) {
    refuseConstruction(mark);
    super();
    this.#end!.port = this;
  }

  postMessage(message: unknown, options: unknown = undefined) {
    requireArguments(arguments.length, 1, "MessagePort.postMessage");
    const list =
      isObject(options) && Symbol.iterator in options
        ? options
        : toDictionary(options, "The options")["transfer"];
    const transfer = list === undefined ? [] : (toSequence(list, "The transfer list") as object[]);
    const ports = transfer.filter(isPort);
    if (ports.includes(this)) structuredCloneOf(this);
    const wrapped = structuredCloneOf({ message, ports }, transfer) as { message: unknown; ports: object[] };
    const other = this.#end?.other;
    if (!other || other.isClosed) return;
    other.queue.push({ data: wrapped.message, ports: wrapped.ports });
    deliverSoon(other);
  }

  start() {
    if (!this.#end) return;
    this.#end.isStarted = true;
    deliverSoon(this.#end);
  }

  close() {
    const end = this.#end;
    if (!end) return;
    end.isClosed = true;
    if (end.other) end.other.other = undefined;
    end.other = undefined;
  }

  static {
    entangle = (a, b) => {
      a.#end!.other = b.#end;
      b.#end!.other = a.#end;
    };
    registerTransfer({
      is: isPort,
      hindrance: (port) => ((port as GuestMessagePort).#end ? undefined : "was transferred before"),
      move(port) {
        const old = port as GuestMessagePort;
        const moved = new GuestMessagePort(INTERNAL);
        const end = old.#end!;
        old.#end = undefined;
        moved.#end = end;
        end.port = moved;
        end.isStarted = false;
        return moved;
      },
    });
  }
}

function isPort(value: unknown): value is GuestMessagePort {
  return value instanceof GuestMessagePort;
}

/** A task for each message, so that its microtasks run before the next one. */
function deliverSoon(end: End): void {
  if (!end.isStarted || end.queue.length === 0) return;
  addTimer(
    () => {
      if (!end.isStarted || end.isClosed) return;
      const next = end.queue.shift();
      if (!next || !end.port) return;
      end.port.dispatchEvent(trustedEvent(new GuestMessageEvent("message", next)));
    },
    0,
    false,
  );
}

class GuestMessageChannel {
  readonly #port1 = new GuestMessagePort(INTERNAL);
  readonly #port2 = new GuestMessagePort(INTERNAL);

  constructor() {
    entangle(this.#port1, this.#port2);
  }
  get port1() {
    return this.#port1;
  }
  get port2() {
    return this.#port2;
  }
}

export function installMessaging(): void {
  defineInterface("MessageEvent", GuestMessageEvent);
  defineInterface("MessagePort", GuestMessagePort, 0);
  defineInterface("MessageChannel", GuestMessageChannel);
  const { prototype } = GuestMessagePort;
  defineHandler(prototype, "message");
  defineHandler(prototype, "messageerror");
  const { get, set } = Object.getOwnPropertyDescriptor(prototype, "onmessage")!;
  Object.defineProperty(prototype, "onmessage", {
    get: get!,
    // Setting the handler starts the port; addEventListener alone does not.
    set(this: GuestMessagePort, value: unknown) {
      set!.call(this, value);
      this.start();
    },
    enumerable: true,
    configurable: true,
  });
}

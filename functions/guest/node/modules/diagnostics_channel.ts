/** node:diagnostics_channel. */
import type { AsyncLocalStorage } from "node:async_hooks";

type Subscriber = (message: unknown, name: string | symbol) => void;
type Transform = (data: unknown) => unknown;
type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

/** What a subscriber throws is nobody's but its own. */
function report(thrown: unknown): void {
  queueMicrotask(() => {
    throw thrown;
  });
}

class Channel {
  readonly name: string | symbol;
  #subscribers: readonly Subscriber[] = [];
  readonly #stores = new Map<AsyncLocalStorage<unknown>, Transform | undefined>();

  constructor(name: string | symbol) {
    this.name = name;
  }
  get hasSubscribers() {
    return this.#subscribers.length > 0 || this.#stores.size > 0;
  }
  subscribe(subscriber: Subscriber) {
    this.#subscribers = [...this.#subscribers, subscriber];
  }
  unsubscribe(subscriber: Subscriber) {
    const at = this.#subscribers.indexOf(subscriber);
    if (at >= 0) this.#subscribers = this.#subscribers.toSpliced(at, 1);
    return at >= 0;
  }
  publish(message: unknown) {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(message, this.name);
      } catch (thrown) {
        report(thrown);
      }
    }
  }
  bindStore(store: AsyncLocalStorage<unknown>, transform?: Transform) {
    this.#stores.set(store, transform);
  }
  unbindStore(store: AsyncLocalStorage<unknown>) {
    return this.#stores.delete(store);
  }
  runStores(data: unknown, work: AnyFunction, self?: unknown, ...args: unknown[]): unknown {
    let call = () => {
      this.publish(data);
      return work.apply(self, args);
    };
    for (const [store, transform] of this.#stores) {
      const inner = call;
      call = () => store.run(transform ? transform(data) : data, inner);
    }
    return call();
  }
}

/** Held while somebody has them, and for the isolate's life: their names are few. */
const channels = new Map<string | symbol, Channel>();

function channel(name: string | symbol): Channel {
  const found = channels.get(name) ?? new Channel(name);
  channels.set(name, found);
  return found;
}

const EVENTS = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;
type Channels = Record<(typeof EVENTS)[number], Channel>;
type Context = Record<string, unknown>;

class TracingChannel {
  declare start: Channel;
  declare end: Channel;
  declare asyncStart: Channel;
  declare asyncEnd: Channel;
  declare error: Channel;

  constructor(given: string | Channels) {
    for (const event of EVENTS) {
      this[event] = typeof given === "string" ? channel(`tracing:${given}:${event}`) : given[event];
    }
  }
  get hasSubscribers() {
    return EVENTS.some((event) => this[event].hasSubscribers);
  }
  subscribe(subscribers: Partial<Record<(typeof EVENTS)[number], Subscriber>>) {
    for (const event of EVENTS) if (subscribers[event]) this[event].subscribe(subscribers[event]);
  }
  unsubscribe(subscribers: Partial<Record<(typeof EVENTS)[number], Subscriber>>) {
    const done = EVENTS.map((event) => !subscribers[event] || this[event].unsubscribe(subscribers[event]));
    return done.every(Boolean);
  }
  traceSync(work: AnyFunction, context: Context = {}, self?: unknown, ...args: unknown[]) {
    return this.start.runStores(context, () => {
      try {
        context["result"] = work.apply(self, args);
        return context["result"];
      } catch (thrown) {
        this.#fail(context, thrown);
        throw thrown;
      } finally {
        this.end.publish(context);
      }
    });
  }
  tracePromise(work: AnyFunction, context: Context = {}, self?: unknown, ...args: unknown[]) {
    return this.start.runStores(context, () => {
      try {
        return Promise.resolve(work.apply(self, args)).then(
          (value) => {
            context["result"] = value;
            this.#settle(context);
            return value;
          },
          (thrown) => {
            this.#fail(context, thrown);
            this.#settle(context);
            throw thrown;
          },
        );
      } catch (thrown) {
        this.#fail(context, thrown);
        throw thrown;
      } finally {
        this.end.publish(context);
      }
    });
  }
  traceCallback(work: AnyFunction, position = -1, context: Context = {}, self?: unknown, ...args: unknown[]) {
    const callback = args.at(position) as AnyFunction;
    const channels = this;
    const wrapped = function (this: unknown, error: unknown, ...results: unknown[]) {
      if (error) channels.#fail(context, error);
      else context["result"] = results[0];
      channels.asyncStart.runStores(context, () => {
        try {
          callback.call(this, error, ...results);
        } finally {
          channels.asyncEnd.publish(context);
        }
      });
    };
    args.splice(position, 1, wrapped);
    return this.start.runStores(context, () => {
      try {
        return work.apply(self, args);
      } catch (thrown) {
        this.#fail(context, thrown);
        throw thrown;
      } finally {
        this.end.publish(context);
      }
    });
  }
  #fail(context: Context, thrown: unknown) {
    context["error"] = thrown;
    this.error.publish(context);
  }
  #settle(context: Context) {
    this.asyncStart.publish(context);
    this.asyncEnd.publish(context);
  }
}

export default {
  Channel,
  channel,
  hasSubscribers: (name: string | symbol) => channels.get(name)?.hasSubscribers ?? false,
  subscribe: (name: string | symbol, subscriber: Subscriber) => channel(name).subscribe(subscriber),
  unsubscribe: (name: string | symbol, subscriber: Subscriber) => channel(name).unsubscribe(subscriber),
  tracingChannel: (given: string | Channels) => new TracingChannel(given),
};

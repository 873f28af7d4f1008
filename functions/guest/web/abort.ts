/** AbortController and AbortSignal of the DOM standard. */
import { addTimer } from "../run/timers.ts";
import { domException } from "./dom-exception.ts";
import { defineHandler, GuestEventTarget, onListenerChange, setSignalCheck } from "./event-target.ts";
import { GuestEvent, trustedEvent } from "./events.ts";
import {
  defineInterface,
  enforceUnsigned,
  INTERNAL,
  isObject,
  refuseConstruction,
  requireArguments,
  toSequence,
} from "./webidl.ts";

/** What the guest's own code does with signals. */
export interface SignalPowers {
  isSignal(value: unknown): value is GuestAbortSignal;
  create(): GuestAbortSignal;
  abort(signal: GuestAbortSignal, reason?: unknown): void;
  /** Follows these: aborts when the first of them does. */
  follow(sources: GuestAbortSignal[]): GuestAbortSignal;
  /** Runs before any listener; undo it by `removeStep`. */
  addStep(signal: GuestAbortSignal, step: () => void): void;
  removeStep(signal: GuestAbortSignal, step: () => void): void;
}

export let signals: SignalPowers;

const dispatch = Function.prototype.call.bind(GuestEventTarget.prototype.dispatchEvent) as (
  target: GuestEventTarget,
  event: GuestEvent,
) => boolean;

/** How many weak references to followers stand before the dead among them are swept. */
const SWEEP_AT = 64;

export class GuestAbortSignal extends GuestEventTarget {
  #aborted = false;
  #reason: unknown;
  #steps = new Set<() => void>();
  #isFollower = false;
  readonly #sources = new Set<GuestAbortSignal>();
  /** Weak, so that a signal that lives long does not keep each request's follower. */
  #followers: WeakRef<GuestAbortSignal>[] = [];
  /** Followers that somebody listens to. */
  readonly #heard = new Set<GuestAbortSignal>();
  #sweepAt = SWEEP_AT;

  constructor(mark?: unknown) {
    refuseConstruction(mark);
    super();
  }

  static abort(reason: unknown = undefined): GuestAbortSignal {
    const signal = new GuestAbortSignal(INTERNAL);
    signal.#aborted = true;
    signal.#reason = reason === undefined ? aborted() : reason;
    return signal;
  }

  static timeout(milliseconds: unknown): GuestAbortSignal {
    requireArguments(arguments.length, 1, "AbortSignal.timeout");
    const delayMs = enforceUnsigned(milliseconds, 64, "The timeout");
    const signal = new GuestAbortSignal(INTERNAL);
    const step = () =>
      signal.#abort(domException("TimeoutError", "The operation was aborted due to timeout"));
    addTimer(step, delayMs, false);
    return signal;
  }

  static any(given: unknown): GuestAbortSignal {
    requireArguments(arguments.length, 1, "AbortSignal.any");
    const sources = toSequence(given, "AbortSignal.any");
    for (const source of sources) {
      if (!signals.isSignal(source)) throw new TypeError("AbortSignal.any takes signals only");
    }
    return signals.follow(sources as GuestAbortSignal[]);
  }

  get aborted() {
    return this.#aborted;
  }

  get reason() {
    return this.#reason;
  }

  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }

  #abort(reason: unknown): void {
    if (this.#aborted) return;
    const doomed = [this as GuestAbortSignal];
    this.#mark(reason);
    for (const reference of this.#followers) {
      const follower = reference.deref();
      if (!follower || follower.#aborted) continue;
      follower.#mark(this.#reason);
      doomed.push(follower);
    }
    this.#followers = [];
    this.#heard.clear();
    for (const signal of doomed) signal.#run();
  }

  #mark(reason: unknown): void {
    this.#aborted = true;
    this.#reason = reason === undefined ? aborted() : reason;
  }

  #run(): void {
    const steps = this.#steps;
    this.#steps = new Set();
    for (const step of steps) step();
    dispatch(this, trustedEvent(new GuestEvent("abort")));
  }

  #followOne(source: GuestAbortSignal): void {
    if (this.#sources.has(source)) return;
    this.#sources.add(source);
    source.#followers.push(new WeakRef<GuestAbortSignal>(this));
    if (source.#followers.length < source.#sweepAt) return;
    source.#followers = source.#followers.filter((reference) => reference.deref() !== undefined);
    source.#sweepAt = Math.max(source.#followers.length * 2, SWEEP_AT);
  }

  #hear(isHeard: boolean): void {
    for (const source of this.#sources) {
      if (isHeard && !this.#aborted) source.#heard.add(this);
      else source.#heard.delete(this);
    }
  }

  static {
    const isSignal = (value: unknown): value is GuestAbortSignal => isObject(value) && #aborted in value;
    signals = {
      isSignal,
      create: () => new GuestAbortSignal(INTERNAL),
      abort: (signal, reason) => signal.#abort(reason),
      follow(sources) {
        const follower = new GuestAbortSignal(INTERNAL);
        for (const source of sources) {
          if (!source.#aborted) continue;
          follower.#aborted = true;
          follower.#reason = source.#reason;
          return follower;
        }
        follower.#isFollower = true;
        for (const source of sources) {
          if (!source.#isFollower) follower.#followOne(source);
          else for (const root of source.#sources) follower.#followOne(root);
        }
        return follower;
      },
      addStep(signal, step) {
        if (signal.#aborted) return;
        signal.#steps.add(step);
        signal.#hear(true);
      },
      removeStep: (signal, step) => signal.#steps.delete(step),
    };
    onListenerChange((target, _type, count) => {
      if (isSignal(target)) target.#hear(count > 0 || target.#steps.size > 0);
    });
    setSignalCheck(isSignal);
  }
}

function aborted(): Error {
  return domException("AbortError", "This operation was aborted");
}

export class GuestAbortController {
  readonly #signal = signals.create();

  get signal() {
    return this.#signal;
  }

  abort(reason: unknown = undefined) {
    signals.abort(this.#signal, reason);
  }
}

export function installAbort(): void {
  defineInterface("AbortSignal", GuestAbortSignal, 0);
  defineHandler(GuestAbortSignal.prototype, "abort");
  defineInterface("AbortController", GuestAbortController);
}

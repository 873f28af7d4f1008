import type { Dispatcher } from "undici";
import { type LazyAbort, whenAborted } from "../lazy-abort.ts";
import {
  connectTimedOut,
  type EgressError,
  rulesChanged,
  signalAborted,
  toEgressError,
} from "./egress-error.ts";

export interface ExchangeLimits {
  signal: AbortSignal | LazyAbort;
  maxResponseBytes: number;
  connectTimeoutMs: number | undefined;
}

/** A failure that knows what it was sent on, and whether the response had begun. */
export interface ExchangeFailure {
  error: EgressError;
  responded: boolean;
  /** The connection had carried a request before: it may have gone stale. */
  reused: boolean;
}

/** Of the connection that is to carry a request. */
export interface ConnectionFacts {
  /** It has carried another before. */
  isReused: boolean;
  /** It was made by rules that hold no longer. */
  isOutdated: boolean;
}

const noConnection = (): ConnectionFacts => ({ isReused: false, isOutdated: false });

/**
 * What every exchange has in common: how it ends. Waiting (for a connection) → started → over, once, by the handler
 * itself, an error, the caller's signal, or the connect timeout while it waits. One that is over before it has a
 * connection is dropped when its turn comes.
 */
export abstract class PendingExchange {
  protected readonly host: string;
  protected readonly limits: ExchangeLimits;
  protected reused = false;
  readonly #onAbort = () => this.fail(signalAborted(this.limits.signal, this.host));
  #isOver = false;
  #forget: (() => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  #connection = noConnection;

  constructor(host: string, limits: ExchangeLimits) {
    this.host = host;
    this.limits = limits;
  }

  /** Tells who waits. Called at most once, after the end. */
  protected abstract onFailed(error: EgressError): void;

  /** False when there is nothing left to dispatch. */
  begin(): boolean {
    const { signal, connectTimeoutMs } = this.limits;
    if (signal.aborted) {
      this.#onAbort();
      return false;
    }
    this.#forget = whenAborted(signal, this.#onAbort);
    if (connectTimeoutMs !== undefined) {
      const late = () => this.fail(connectTimedOut(this.host));
      this.#connectTimer = setTimeout(late, connectTimeoutMs);
    }
    return true;
  }

  /** @param connection asked when the request goes out */
  onConnection(connection: () => ConnectionFacts): void {
    this.#connection = connection;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#connectTimer);
    const { isReused, isOutdated } = this.#connection();
    this.reused = isReused;
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error("over before it was sent"));
    else if (isOutdated) this.fail(rulesChanged(this.host));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(toEgressError(error, this.host));
  }

  protected fail(error: EgressError): void {
    if (!this.end()) return;
    this.onFailed(error);
    this.closeConnection(error);
  }

  /** False where it was over before. */
  protected end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearTimeout(this.#connectTimer);
    this.#forget?.();
    return true;
  }

  /** Of a request that is not answered to its end. */
  protected closeConnection(reason: Error): void {
    this.#controller?.abort(reason);
  }
}

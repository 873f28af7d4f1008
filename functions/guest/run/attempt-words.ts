/** `Retry` and `Fatal`, globals: what a function throws to say itself whether its run is tried again, and when. */
import { formatDuration, parseDuration } from "../../../core/duration.ts";
import { GUEST_LIMITS } from "../limits.ts";
import type { AttemptWord, ThrownInFull } from "../thrown.ts";
import { describeInFull } from "./describe.ts";
import {
  assign,
  create,
  defineProperty,
  expose,
  NativeError,
  NativeProxy,
  NativeRangeError,
  NativeTypeError,
} from "./primordials.ts";

interface RetryOptions {
  after?: unknown;
  message?: unknown;
  cause?: unknown;
}

/** Of what was thrown; undefined: it is neither. */
let wordOf: (thrown: object) => AttemptWord | undefined;

class Retry extends NativeError {
  readonly #afterMs: number | undefined;

  constructor(options: RetryOptions = {}) {
    if (typeof options !== "object" || options === null)
      throw new NativeTypeError('Retry takes an object, such as { after: "10m" }.');
    const { after, message = "The function asks to be tried again." } = options;
    super(message as string, "cause" in options ? { cause: options.cause } : undefined);
    this.#afterMs = after === undefined ? undefined : readAfter(after);
  }

  static {
    const wordOfRetry = (thrown: object): AttemptWord | undefined => {
      if (!(#afterMs in thrown)) return undefined;
      const afterMs = thrown.#afterMs;
      return afterMs === undefined ? { again: "retry" } : { again: "retry", afterMs };
    };
    wordOf = wordOfRetry;
  }
}

class Fatal extends NativeError {
  readonly #isFatal = true;

  static {
    const wordOfOther = wordOf;
    wordOf = (thrown) => (#isFatal in thrown ? { again: "fatal" } : wordOfOther(thrown));
  }
}

function readAfter(after: unknown): number {
  const ms = typeof after === "string" ? parseDuration(after) : undefined;
  if (ms === undefined)
    throw new NativeTypeError('after must be a duration such as "30s", "10m", "2h" or ISO 8601.');
  if (ms > GUEST_LIMITS.retryAfterMs)
    throw new NativeRangeError(`after must be at most ${formatDuration(GUEST_LIMITS.retryAfterMs)}.`);
  return ms;
}

export function installAttemptWords(): void {
  const hidden = { writable: true, enumerable: false, configurable: true };
  defineProperty(Retry.prototype, "name", { value: "Retry", ...hidden });
  defineProperty(Fatal.prototype, "name", { value: "Fatal", ...hidden });
  exposeWord("Retry", Retry, (options) => new Retry(options as RetryOptions | undefined));
  exposeWord("Fatal", Fatal, (message, options) => new Fatal(message as string, options as ErrorOptions));
}

/** As `Error` is: without `new` it is the same. */
function exposeWord(
  name: string,
  word: typeof Fatal | typeof Retry,
  make: (...args: unknown[]) => Error,
): void {
  const apply = (_word: unknown, _self: unknown, args: unknown[]) => make(args[0], args[1]);
  const callable = new NativeProxy(word, assign(create(null), { apply }) as ProxyHandler<typeof word>);
  defineProperty(word.prototype, "constructor", { value: callable });
  expose(name, callable);
}

/** What a run failed with, and what it says of the next attempt. */
export function describeFailure(thrown: unknown): ThrownInFull & Partial<AttemptWord> {
  const isObject = typeof thrown === "object" && thrown !== null;
  return assign(describeInFull(thrown), isObject ? wordOf(thrown) : undefined);
}

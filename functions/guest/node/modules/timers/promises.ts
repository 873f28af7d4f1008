/** node:timers/promises. */

type Options = { signal?: AbortSignal };

function abortError(signal: AbortSignal): Error {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  return Object.assign(error, { name: "AbortError", code: "ABORT_ERR" });
}

function wait<T>(delayMs?: number, value?: T, { signal }: Options = {}): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const abort = () => {
      clearTimeout(timer);
      reject(abortError(signal!));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    }, delayMs);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

async function* setIntervalOf<T>(delayMs?: number, value?: T, options?: Options) {
  for (;;) yield await wait(delayMs, value, options);
}

export default {
  setTimeout: wait,
  setImmediate: <T>(value?: T, options?: Options) => wait(0, value, options),
  setInterval: setIntervalOf,
  scheduler: {
    wait: (delayMs: number, options?: Options) => wait(delayMs, undefined, options),
    yield: () => wait(0),
  },
};

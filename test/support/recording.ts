/** What happened, in order, and a way to wait for it: resolved by the event itself, never by looking again. */
import { messageOf } from "../../core/errors.ts";

export interface WaitOptions {
  /** How many must match; default 1. */
  count?: number;
  /** Default 120 s: patience, for a machine that has much else to do. */
  timeoutMs?: number;
}

export interface Recording<T> {
  readonly items: T[];
  add(item: T): void;
  /** The first `count` that match, past ones included; rejects at the timeout or when the recording has ended. */
  waitFor(matches: (item: T) => boolean, options?: WaitOptions): Promise<T[]>;
  /** Nothing more will come: those who still wait are rejected with this reason. */
  end(reason: string): void;
}

interface Waiter<T> {
  found: T[];
  offer(item: T): void;
  fail(reason: string): void;
}

/** @param what names an item in messages: `request`, `line` */
export function createRecording<T>(what: string): Recording<T> {
  const items: T[] = [];
  const waiters = new Set<Waiter<T>>();
  let ended: string | undefined;

  return {
    items,
    add(item) {
      items.push(item);
      for (const waiter of waiters) waiter.offer(item);
    },
    waitFor(matches, { count = 1, timeoutMs = 120_000 } = {}) {
      return new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          clearTimeout(timer);
          waiters.delete(waiter);
          act();
        };
        const fail = (reason: string) =>
          settle(() =>
            reject(
              new Error(
                `Waited for ${count} × ${what}, saw ${waiter.found.length} (of ${items.length}): ${reason}`,
              ),
            ),
          );
        const waiter: Waiter<T> = {
          found: [],
          offer(item) {
            try {
              if (!matches(item)) return;
            } catch (error) {
              return fail(messageOf(error));
            }
            waiter.found.push(item);
            if (waiter.found.length >= count) settle(() => resolve(waiter.found));
          },
          fail,
        };
        const timer = setTimeout(() => fail(`${timeoutMs} ms have passed.`), timeoutMs);
        waiters.add(waiter);
        for (const item of items) {
          if (!waiters.has(waiter)) return;
          waiter.offer(item);
        }
        if (ended !== undefined && waiters.has(waiter)) fail(ended);
      });
    },
    end(reason) {
      ended ??= reason;
      for (const waiter of waiters) waiter.fail(reason);
    },
  };
}

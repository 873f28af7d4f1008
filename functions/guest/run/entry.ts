/**
 * What a module gives to be called: its default export, the handler of `Deno.serve`, its listeners of `fetch` and
 * `scheduled`, or what a CommonJS module has for `module.exports`.
 */
import { dispatchOnGlobal, isListenedTo } from "../web/event-target.ts";
import { GuestEvent, trustedEvent } from "../web/events.ts";
import { assign, NativeTypeError } from "./primordials.ts";
import { served } from "./served.ts";

interface EventContext {
  waitUntil(promise: unknown): void;
}

type Exports = { default?: unknown; __esModule?: unknown } | null | undefined;

/** Undefined where it gives nothing. */
export function readEntry(exports: Exports): unknown {
  const given = exports?.default;
  if (given !== undefined) return given;
  if (served.handler !== undefined) return { fetch: served.handler };
  const entry: Record<string, unknown> = {};
  if (isListenedTo("fetch")) entry["fetch"] = dispatchFetch;
  if (isListenedTo("scheduled")) entry["scheduled"] = dispatchScheduled;
  if (entry["fetch"] || entry["scheduled"]) return entry;
  return exports?.__esModule ? undefined : exports;
}

function dispatchFetch(request: unknown, _env: unknown, context: EventContext): unknown {
  let answer: { response: unknown } | undefined;
  const event = assign(new GuestEvent("fetch", { cancelable: true }), {
    request,
    respondWith(response: unknown) {
      if (answer !== undefined) throw new NativeTypeError("respondWith() was called before");
      answer = { response };
    },
    waitUntil: context.waitUntil,
    passThroughOnException() {},
  });
  dispatchOnGlobal(trustedEvent(event));
  if (answer === undefined) throw new NativeTypeError("No listener of fetch called event.respondWith()");
  return answer.response;
}

/** What it is to wait for may fail the run, as a failure of `scheduled()` does. */
async function dispatchScheduled({ type: _, ...facts }: { type?: unknown }): Promise<void> {
  const awaited: unknown[] = [];
  const event = assign(new GuestEvent("scheduled"), facts, {
    waitUntil(promise: unknown) {
      awaited[awaited.length] = promise;
    },
  });
  dispatchOnGlobal(trustedEvent(event));
  for (let i = 0; i < awaited.length; i++) await awaited[i];
}

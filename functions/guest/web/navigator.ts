/** navigator, self, reportError. */
import { currentRun } from "../run/current-run.ts";
import { inspect } from "../run/inspect.ts";
import { log } from "../run/log.ts";
import { dispatchOnGlobal, onListenerError } from "./event-target.ts";
import { GuestErrorEvent, trustedEvent } from "./events.ts";
import {
  defineInterface,
  defineOperation,
  defineReplaceable,
  INTERNAL,
  refuseConstruction,
  requireArguments,
} from "./webidl.ts";

class GuestNavigator {
  /** For the brand alone. */
  readonly #own = true;

  constructor(mark?: unknown) {
    refuseConstruction(mark);
  }
  get userAgent() {
    this.#own;
    return "Bellhop";
  }
  get language() {
    this.#own;
    return "en";
  }
  get languages() {
    this.#own;
    return ["en"];
  }
}

/** Says what nobody caught: an `error` event on the global object, and a line in the run's log. */
export function report(thrown: unknown): void {
  const message = describe(thrown);
  const event = trustedEvent(new GuestErrorEvent("error", { message, error: thrown, cancelable: true }));
  if (dispatchOnGlobal(event)) log(currentRun, "error", `Uncaught ${message}`);
}

function describe(thrown: unknown): string {
  try {
    return inspect(thrown);
  } catch {
    return "something unreadable";
  }
}

export function installNavigator(): void {
  defineInterface("Navigator", GuestNavigator, 0);
  const navigator = new GuestNavigator(INTERNAL);
  defineReplaceable("navigator", () => navigator);
  defineReplaceable("self", () => globalThis);
  let isReporting = false;
  onListenerError((thrown) => {
    // A listener of `error` that throws is not told to itself.
    if (isReporting) return log(currentRun, "error", `Uncaught ${describe(thrown)}`);
    isReporting = true;
    try {
      report(thrown);
    } finally {
      isReporting = false;
    }
  });
  defineOperation("reportError", function reportError(thrown: unknown) {
    requireArguments(arguments.length, 1, "reportError");
    report(thrown);
  });
}

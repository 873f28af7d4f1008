/** High resolution time and user timing: `performance` and its entries, for one run at a time. */
import { clock } from "../run/timers.ts";
import { domException } from "./dom-exception.ts";
import { GuestEventTarget } from "./event-target.ts";
import { GuestPerformanceEntry, selectEntries } from "./performance-entry.ts";
import { forgetObservers, installPerformanceObserver, tellObservers } from "./performance-observer.ts";
import { structuredCloneOf } from "./structured-clone.ts";
import {
  defineInterface,
  defineReplaceable,
  INTERNAL,
  isObject,
  refuseConstruction,
  requireArguments,
  toDictionary,
  toDomString,
  toFiniteDouble,
} from "./webidl.ts";

/** Of one run, marks and measures together; the oldest go first. */
const MAX_ENTRIES = 10_000;

let originClock: number | undefined;
let originTime = 0;
let entries: GuestPerformanceEntry[] = [];

/**
 * The time origin is the isolate's first look at the clock, for a snapshot has none: one millisecond before it, so
 * that no time is 0.
 */
function now(): number {
  if (originClock === undefined) {
    originClock = clock() - 1;
    originTime = Date.now() - 1;
  }
  return Math.round((clock() - originClock) * 1_000) / 1_000;
}

class GuestPerformanceMark extends GuestPerformanceEntry {
  readonly #detail: unknown;

  constructor(name: unknown, options: unknown = {}) {
    requireArguments(arguments.length, 1, "PerformanceMark");
    const text = toDomString(name);
    const { detail, startTime } = toDictionary(options, "The mark's options");
    const start = startTime === undefined ? now() : toFiniteDouble(startTime, "startTime");
    if (start < 0) throw new TypeError("startTime is negative");
    super(INTERNAL, text, "mark", start, 0);
    this.#detail = detail === undefined || detail === null ? null : structuredCloneOf(detail);
  }
  get detail() {
    return this.#detail;
  }
}

class GuestPerformanceMeasure extends GuestPerformanceEntry {
  readonly #detail: unknown;

  constructor(mark: unknown, name: string, startTime: number, duration: number, detail: unknown) {
    super(mark, name, "measure", startTime, duration);
    this.#detail = detail;
  }
  get detail() {
    return this.#detail;
  }
}

function toInstant(mark: unknown): number {
  if (typeof mark !== "number") {
    const name = toDomString(mark);
    const found = entries.findLast((entry) => entry.entryType === "mark" && entry.name === name);
    if (!found) throw domException("SyntaxError", `There is no mark '${name}'`);
    return found.startTime;
  }
  if (toFiniteDouble(mark, "The time") < 0) throw new TypeError("The time is negative");
  return mark;
}

function measureOf(name: string, startOrOptions: unknown, endMark: unknown): GuestPerformanceMeasure {
  const hasOptions = isObject(startOrOptions) || startOrOptions === null;
  const { start, end, duration, detail } = hasOptions ? toDictionary(startOrOptions, "The options") : {};
  if (hasOptions && Object.values({ start, end, duration, detail }).some((value) => value !== undefined)) {
    if (endMark !== undefined) throw new TypeError("measure takes options or an end mark");
    if (start === undefined && end === undefined) throw new TypeError("measure needs a start or an end");
    if (start !== undefined && duration !== undefined && end !== undefined) {
      throw new TypeError("measure takes two of start, end and duration");
    }
  }
  const lasts = duration === undefined ? undefined : toFiniteDouble(duration, "The duration");
  const startMark = hasOptions ? start : startOrOptions;
  const endTime =
    endMark !== undefined
      ? toInstant(endMark)
      : end !== undefined
        ? toInstant(end)
        : start !== undefined && lasts !== undefined
          ? toInstant(start) + lasts
          : now();
  const startTime =
    startMark !== undefined
      ? toInstant(startMark)
      : lasts !== undefined && end !== undefined
        ? endTime - lasts
        : 0;
  const kept = detail === undefined || detail === null ? null : structuredCloneOf(detail);
  return new GuestPerformanceMeasure(INTERNAL, name, startTime, endTime - startTime, kept);
}

class GuestPerformance extends GuestEventTarget {
  constructor(mark?: unknown) {
    refuseConstruction(mark);
    super();
  }
  now() {
    ownPerformance(this);
    return now();
  }
  get timeOrigin() {
    ownPerformance(this);
    now();
    return originTime;
  }
  toJSON() {
    ownPerformance(this);
    return { timeOrigin: this.timeOrigin };
  }
  mark(name: unknown, options: unknown = {}) {
    requireArguments(arguments.length, 1, "performance.mark");
    ownPerformance(this);
    return keep(new GuestPerformanceMark(name, options));
  }
  measure(name: unknown, startOrOptions: unknown = {}, endMark?: unknown) {
    requireArguments(arguments.length, 1, "performance.measure");
    ownPerformance(this);
    return keep(measureOf(toDomString(name), startOrOptions, endMark));
  }
  clearMarks(name: unknown = undefined) {
    ownPerformance(this);
    clear("mark", name);
  }
  clearMeasures(name: unknown = undefined) {
    ownPerformance(this);
    clear("measure", name);
  }
  getEntries() {
    ownPerformance(this);
    return selectEntries(entries);
  }
  getEntriesByType(type: unknown) {
    requireArguments(arguments.length, 1, "getEntriesByType");
    return selectEntries(entries, undefined, toDomString(type));
  }
  getEntriesByName(name: unknown, type: unknown = undefined) {
    requireArguments(arguments.length, 1, "getEntriesByName");
    return selectEntries(entries, toDomString(name), type === undefined ? undefined : toDomString(type));
  }
}

function ownPerformance(value: unknown): void {
  if (!(value instanceof GuestPerformance)) throw new TypeError("Illegal invocation");
}

function keep<T extends GuestPerformanceEntry>(entry: T): T {
  entries.push(entry);
  if (entries.length > MAX_ENTRIES) entries.shift();
  tellObservers(entry);
  return entry;
}

function clear(type: string, name: unknown): void {
  const wanted = name === undefined ? undefined : toDomString(name);
  entries = entries.filter(
    (entry) => entry.entryType !== type || (wanted !== undefined && entry.name !== wanted),
  );
}

/** Entries belong to their run. */
export function resetPerformance(): void {
  entries = [];
  forgetObservers();
}

export function installPerformance(): void {
  defineInterface("Performance", GuestPerformance, 0);
  defineInterface("PerformanceEntry", GuestPerformanceEntry, 0);
  defineInterface("PerformanceMark", GuestPerformanceMark);
  defineInterface("PerformanceMeasure", GuestPerformanceMeasure, 0);
  installPerformanceObserver(() => entries);
  const performance = new GuestPerformance(INTERNAL);
  defineReplaceable("performance", () => performance);
}

/** High resolution time and user timing: `performance` and its entries, for one run at a time. */
import { addTimer, clock } from "../run/timers.ts";
import { domException } from "./dom-exception.ts";
import { GuestEventTarget } from "./events.ts";
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

/** The time origin is the isolate's first look at the clock: a snapshot has none. */
function now(): number {
  if (originClock === undefined) {
    originClock = clock();
    originTime = Date.now();
  }
  return Math.round((clock() - originClock) * 1_000) / 1_000;
}

class GuestPerformanceEntry {
  readonly #name: string;
  readonly #entryType: string;
  readonly #startTime: number;
  readonly #duration: number;

  constructor(mark: unknown, name: string, entryType: string, startTime: number, duration: number) {
    refuseConstruction(mark);
    this.#name = name;
    this.#entryType = entryType;
    this.#startTime = startTime;
    this.#duration = duration;
  }
  get name() {
    return this.#name;
  }
  get entryType() {
    return this.#entryType;
  }
  get startTime() {
    return this.#startTime;
  }
  get duration() {
    return this.#duration;
  }
  toJSON(): object {
    const { name, entryType, startTime, duration } = this;
    return "detail" in this
      ? { name, entryType, startTime, duration, detail: this.detail }
      : { name, entryType, startTime, duration };
  }
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
    startMark !== undefined ? toInstant(startMark) : lasts !== undefined && end !== undefined ? endTime - lasts : 0;
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
  clearMarks(name?: unknown) {
    clear("mark", name);
  }
  clearMeasures(name?: unknown) {
    clear("measure", name);
  }
  getEntries() {
    return select();
  }
  getEntriesByType(type: unknown) {
    requireArguments(arguments.length, 1, "getEntriesByType");
    return select(undefined, toDomString(type));
  }
  getEntriesByName(name: unknown, type?: unknown) {
    requireArguments(arguments.length, 1, "getEntriesByName");
    return select(toDomString(name), type === undefined ? undefined : toDomString(type));
  }
}

function ownPerformance(value: unknown): void {
  if (!(value instanceof GuestPerformance)) throw new TypeError("Illegal invocation");
}

function keep<T extends GuestPerformanceEntry>(entry: T): T {
  entries.push(entry);
  if (entries.length > MAX_ENTRIES) entries.shift();
  for (const tell of observers) tell(entry);
  return entry;
}

function clear(type: string, name: unknown): void {
  const wanted = name === undefined ? undefined : toDomString(name);
  entries = entries.filter(
    (entry) => entry.entryType !== type || (wanted !== undefined && entry.name !== wanted),
  );
}

function select(name?: string, type?: string, from = entries): GuestPerformanceEntry[] {
  return from
    .filter((entry) => (name === undefined || entry.name === name) && (type === undefined || entry.entryType === type))
    .sort((a, b) => a.startTime - b.startTime);
}

const TYPES = Object.freeze(["mark", "measure"]);
const observers = new Set<(entry: GuestPerformanceEntry) => void>();

class GuestPerformanceObserverEntryList {
  readonly #entries: GuestPerformanceEntry[];

  constructor(mark: unknown, list: GuestPerformanceEntry[]) {
    refuseConstruction(mark);
    this.#entries = list;
  }
  getEntries() {
    return select(undefined, undefined, this.#entries);
  }
  getEntriesByType(type: unknown) {
    requireArguments(arguments.length, 1, "getEntriesByType");
    return select(undefined, toDomString(type), this.#entries);
  }
  getEntriesByName(name: unknown, type?: unknown) {
    requireArguments(arguments.length, 1, "getEntriesByName");
    return select(toDomString(name), type === undefined ? undefined : toDomString(type), this.#entries);
  }
}

class GuestPerformanceObserver {
  readonly #callback: (list: object, observer: object, options: object) => unknown;
  readonly #types = new Set<string>();
  #mode: "single" | "multiple" | undefined;
  #queue: GuestPerformanceEntry[] = [];
  #isWaiting = false;
  readonly #tell = (entry: GuestPerformanceEntry) => {
    if (this.#types.has(entry.entryType)) this.#take([entry]);
  };

  constructor(callback: unknown) {
    requireArguments(arguments.length, 1, "PerformanceObserver");
    if (typeof callback !== "function") throw new TypeError("PerformanceObserver takes a function");
    this.#callback = callback as (list: object, observer: object) => unknown;
  }

  static get supportedEntryTypes() {
    return TYPES;
  }

  observe(given: unknown = {}) {
    const { entryTypes, type, buffered } = toDictionary(given, "The observer's options");
    if (entryTypes === undefined && type === undefined) throw new TypeError("observe needs entryTypes or type");
    if (entryTypes !== undefined && (type !== undefined || buffered !== undefined)) {
      throw new TypeError("observe takes entryTypes alone");
    }
    const mode = type === undefined ? "multiple" : "single";
    if (this.#mode !== undefined && this.#mode !== mode) {
      throw domException("InvalidModificationError", "observe was called with the other kind of options");
    }
    this.#mode = mode;
    const wanted = type === undefined ? Array.from(entryTypes as Iterable<unknown>, toDomString) : [toDomString(type)];
    const known = wanted.filter((one) => TYPES.includes(one));
    if (known.length === 0) return;
    if (mode === "multiple") this.#types.clear();
    for (const one of known) this.#types.add(one);
    observers.add(this.#tell);
    if (mode === "single" && buffered) this.#take(select(undefined, known[0]));
  }

  disconnect() {
    observers.delete(this.#tell);
    this.#types.clear();
    this.#mode = undefined;
    this.#queue = [];
  }

  takeRecords() {
    const taken = this.#queue;
    this.#queue = [];
    return taken;
  }

  #take(taken: GuestPerformanceEntry[]): void {
    this.#queue.push(...taken);
    if (this.#isWaiting || this.#queue.length === 0) return;
    this.#isWaiting = true;
    addTimer(() => {
      this.#isWaiting = false;
      const records = this.takeRecords();
      if (records.length === 0) return;
      this.#callback.call(this, new GuestPerformanceObserverEntryList(INTERNAL, records), this, {
        droppedEntriesCount: 0,
      });
    }, 0, false);
  }
}

/** Entries belong to their run. */
export function resetPerformance(): void {
  entries = [];
  observers.clear();
}

export function installPerformance(): void {
  defineInterface("Performance", GuestPerformance);
  defineInterface("PerformanceEntry", GuestPerformanceEntry);
  defineInterface("PerformanceMark", GuestPerformanceMark);
  defineInterface("PerformanceMeasure", GuestPerformanceMeasure);
  defineInterface("PerformanceObserver", GuestPerformanceObserver);
  defineInterface("PerformanceObserverEntryList", GuestPerformanceObserverEntryList);
  const performance = new GuestPerformance(INTERNAL);
  defineReplaceable("performance", () => performance);
}


/** PerformanceObserver of the performance timeline. */
import { addTimer } from "../run/timers.ts";
import { domException } from "./dom-exception.ts";
import { type GuestPerformanceEntry, selectEntries } from "./performance-entry.ts";
import {
  defineInterface,
  INTERNAL,
  refuseConstruction,
  requireArguments,
  toDictionary,
  toDomString,
} from "./webidl.ts";

const TYPES = Object.freeze(["mark", "measure"]);
const observers = new Set<(entry: GuestPerformanceEntry) => void>();
let recorded: () => readonly GuestPerformanceEntry[] = () => [];

export function tellObservers(entry: GuestPerformanceEntry): void {
  for (const tell of observers) tell(entry);
}

export function forgetObservers(): void {
  observers.clear();
}

class GuestPerformanceObserverEntryList {
  readonly #entries: GuestPerformanceEntry[];

  constructor(mark: unknown, list: GuestPerformanceEntry[]) {
    refuseConstruction(mark);
    this.#entries = list;
  }
  getEntries() {
    return selectEntries(this.#entries);
  }
  getEntriesByType(type: unknown) {
    requireArguments(arguments.length, 1, "getEntriesByType");
    return selectEntries(this.#entries, undefined, toDomString(type));
  }
  getEntriesByName(name: unknown, type: unknown = undefined) {
    requireArguments(arguments.length, 1, "getEntriesByName");
    return selectEntries(
      this.#entries,
      toDomString(name),
      type === undefined ? undefined : toDomString(type),
    );
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
    if (entryTypes === undefined && type === undefined)
      throw new TypeError("observe needs entryTypes or type");
    if (entryTypes !== undefined && (type !== undefined || buffered !== undefined)) {
      throw new TypeError("observe takes entryTypes alone");
    }
    const mode = type === undefined ? "multiple" : "single";
    if (this.#mode !== undefined && this.#mode !== mode) {
      throw domException("InvalidModificationError", "observe was called with the other kind of options");
    }
    this.#mode = mode;
    const wanted =
      type === undefined ? Array.from(entryTypes as Iterable<unknown>, toDomString) : [toDomString(type)];
    const known = wanted.filter((one) => TYPES.includes(one));
    if (known.length === 0) return;
    if (mode === "multiple") this.#types.clear();
    for (const one of known) this.#types.add(one);
    observers.add(this.#tell);
    if (mode === "single" && buffered) this.#take(selectEntries(recorded(), undefined, known[0]));
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
    addTimer(
      () => {
        this.#isWaiting = false;
        const records = this.takeRecords();
        if (records.length === 0) return;
        this.#callback.call(this, new GuestPerformanceObserverEntryList(INTERNAL, records), this, {
          droppedEntriesCount: 0,
        });
      },
      0,
      false,
    );
  }
}

/** `entries` answers what was recorded so far. */
export function installPerformanceObserver(entries: () => readonly GuestPerformanceEntry[]): void {
  recorded = entries;
  defineInterface("PerformanceObserver", GuestPerformanceObserver);
  defineInterface("PerformanceObserverEntryList", GuestPerformanceObserverEntryList, 0);
}

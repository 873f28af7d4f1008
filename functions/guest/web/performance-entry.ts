/** PerformanceEntry of the performance timeline, and how entries are selected. */
import { refuseConstruction } from "./webidl.ts";

export class GuestPerformanceEntry {
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

export function selectEntries(
  from: readonly GuestPerformanceEntry[],
  name?: string,
  type?: string,
): GuestPerformanceEntry[] {
  return from
    .filter(
      (entry) =>
        (name === undefined || entry.name === name) && (type === undefined || entry.entryType === type),
    )
    .sort((a, b) => a.startTime - b.startTime);
}

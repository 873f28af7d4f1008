import { Counter, type Registry } from "prom-client";

/** A counter whose labels take known values: one that is not among them does not compile where it is counted. */
export interface KnownCounter<Labels extends Record<string, string>> {
  inc(labels: Labels, count?: number): void;
}

interface CounterOptions {
  name: string;
  help: string;
  registers: Registry[];
}

/**
 * @param series its labels; each is told from the start, as 0: a series that begins with its first event hides that
 * event from rates
 */
export function createKnownCounter<Labels extends Record<string, string>>(
  options: CounterOptions,
  series: readonly Labels[],
): KnownCounter<Labels> {
  const counter = new Counter({ ...options, labelNames: Object.keys(series[0] ?? {}) });
  for (const labels of series) counter.inc(labels, 0);
  return counter;
}

/** One for each of many, most of which have the labels of the one before: these are counted in one. */
export function countEach<Item, Labels extends Record<string, string>>(
  counter: KnownCounter<Labels>,
  items: Iterable<Item>,
  labelsOf: (item: Item) => Labels,
): void {
  let last: Labels | undefined;
  let count = 0;
  for (const item of items) {
    const labels = labelsOf(item);
    if (last === undefined || !isSame(last, labels)) {
      if (last !== undefined) counter.inc(last, count);
      last = labels;
      count = 0;
    }
    count += 1;
  }
  if (last !== undefined) counter.inc(last, count);
}

function isSame<Labels extends Record<string, string>>(one: Labels, other: Labels): boolean {
  for (const name in one) if (one[name] !== other[name]) return false;
  return true;
}

/** The series of a counter with one label. */
export function seriesOf<const Label extends string, const Value extends string>(
  label: Label,
  values: readonly Value[],
): Record<Label, Value>[] {
  return values.map((value) => ({ [label]: value }) as Record<Label, Value>);
}

/** All names of a type: the record does not compile where one is missing. */
export function listAll<Name extends string>(names: Record<Name, true>): Name[] {
  return Object.keys(names) as Name[];
}

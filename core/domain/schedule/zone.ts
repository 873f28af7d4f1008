/**
 * Time zones as stretches of real time in which the clocks keep one offset. The zone database is the one that comes
 * with Node (ICU). What is read of it is kept, a year at a time: 100 readings of an offset and a bisection for each change.
 */
import { DAY_MS } from "./civil.ts";

/** Instants from `startMs` up to, but not including `endMs`. */
export interface Stretch {
  startMs: number;
  endMs: number;
  /** Local time = instant + offset. */
  offsetMs: number;
  /** What held just before the start; the same where the stretch begins with a year and not with a change. */
  offsetBeforeMs: number;
}

interface Zone {
  formatter: Intl.DateTimeFormat;
  years: Map<number, Stretch[]>;
}

/** More than the database has names. */
const MAX_ZONES = 1_000;
/** Of a zone. */
const MAX_YEARS = 200;
/** No zone has changed its clocks twice, to and fro, in so little time. */
const SAMPLE_MS = 4 * DAY_MS;

const zones = new Map<string, Zone>();

/** IANA names only: an offset knows nothing of summer time. */
export function isTimezone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+\-/]*$/.test(name)) return false;
  try {
    openZone(name);
    return true;
  } catch {
    return false;
  }
}

/** The stretch in which the instant lies. Throws a RangeError where the zone is unknown. */
export function stretchAt(name: string, instantMs: number): Stretch {
  const zone = openZone(name);
  const year = new Date(instantMs).getUTCFullYear();
  let stretches = zone.years.get(year);
  if (!stretches) {
    stretches = readYear(zone.formatter, year);
    if (zone.years.size >= MAX_YEARS) zone.years.clear();
    zone.years.set(year, stretches);
  }
  return stretches.find(({ endMs }) => instantMs < endMs)!;
}

export const offsetAt = (name: string, instantMs: number): number => stretchAt(name, instantMs).offsetMs;

function openZone(name: string): Zone {
  const known = zones.get(name);
  if (known) return known;
  const formatter = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  const zone: Zone = { formatter, years: new Map() };
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(name, zone);
  return zone;
}

function readYear(formatter: Intl.DateTimeFormat, year: number): Stretch[] {
  const yearEndMs = Date.UTC(year + 1, 0, 1);
  const stretches: Stretch[] = [];
  let startMs = Date.UTC(year, 0, 1);
  let offsetBeforeMs = readOffset(formatter, startMs - 1);
  while (startMs < yearEndMs) {
    const offsetMs = readOffset(formatter, startMs);
    const endMs = findChange(formatter, startMs, yearEndMs, offsetMs);
    stretches.push({ startMs, endMs, offsetMs, offsetBeforeMs });
    startMs = endMs;
    offsetBeforeMs = offsetMs;
  }
  return stretches;
}

/** When the offset ceases to be `offsetMs`, or the end. */
function findChange(formatter: Intl.DateTimeFormat, fromMs: number, endMs: number, offsetMs: number): number {
  for (let sameMs = fromMs; sameMs < endMs - 1; ) {
    const nextMs = Math.min(sameMs + SAMPLE_MS, endMs - 1);
    if (readOffset(formatter, nextMs) !== offsetMs) return bisect(formatter, sameMs, nextMs, offsetMs);
    sameMs = nextMs;
  }
  return endMs;
}

/** The first instant with another offset, between one that has it and one that has not. */
function bisect(formatter: Intl.DateTimeFormat, sameMs: number, otherMs: number, offsetMs: number): number {
  let [low, high] = [sameMs, otherMs];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (readOffset(formatter, middle) === offsetMs) low = middle;
    else high = middle;
  }
  return high;
}

/** `12/1/2026, GMT+10:30`; `GMT` alone is no offset. */
function readOffset(formatter: Intl.DateTimeFormat, instantMs: number): number {
  const text = formatter.format(instantMs);
  const at = text.lastIndexOf("GMT") + 3;
  if (at === text.length) return 0;
  const [hours, minutes, seconds = 0] = text
    .slice(at + 1)
    .split(":")
    .map(Number);
  const ms = ((hours! * 60 + minutes!) * 60 + seconds) * 1_000;
  return text[at] === "-" ? -ms : ms;
}

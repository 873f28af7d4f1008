/**
 * Durations on the wire: `"500ms" "30s" "10m" "2h" "1d" "1w"`, several together from the largest to the smallest
 * (`"1h30m"`), or ISO 8601 (`"PT1H30M"`, `"P2DT3S"`, `"P1W"`).
 * Inside, always whole milliseconds. Years and months have no fixed length and are refused.
 */
const UNIT_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
const UNITS = Object.keys(UNIT_MS) as (keyof typeof UNIT_MS)[];
const SHORT = new RegExp(`^(?=.)${UNITS.map((unit) => String.raw`(?:(\d+(?:\.\d+)?)${unit})?`).join("")}$`);
const ISO = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Both forms, for those who describe them: what it does not match is no duration. */
export const DURATION_PATTERN = `(?:${SHORT.source})|(?=.*\\d)(?:${ISO.source})`;

/** Milliseconds, or undefined where the text is no duration. A leading minus is never accepted. */
export function parseDuration(text: string): number | undefined {
  const short = SHORT.exec(text);
  if (short)
    return toSafeMs(UNITS.reduce((sum, unit, at) => sum + Number(short[at + 1] ?? 0) * UNIT_MS[unit], 0));
  const iso = ISO.exec(text);
  if (!iso || text === "P" || text.endsWith("T")) return undefined;
  const [weeks, days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
  const ms = weeks! * 7 * UNIT_MS.d + days! * UNIT_MS.d + hours! * UNIT_MS.h + minutes! * UNIT_MS.m;
  return toSafeMs(ms + seconds! * UNIT_MS.s);
}

function toSafeMs(ms: number): number | undefined {
  const whole = Math.round(ms);
  return Number.isSafeInteger(whole) ? whole : undefined;
}

/** The shortest exact form: 90_000 → `"90s"`, 3_600_000 → `"1h"`. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms !== 0 && ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}

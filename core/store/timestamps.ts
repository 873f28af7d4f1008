/**
 * Reads instants as PostgreSQL writes them to sessions of ours, which are in UTC: their places are known. The driver's own
 * parser, made for whatever a session may write, takes several times as long, and a claimed run has three of them.
 */
import pg from "pg";

const TIMESTAMPTZ = pg.types.builtins.TIMESTAMPTZ;
const parseAny = pg.types.getTypeParser(TIMESTAMPTZ, "text") as (text: string) => unknown;

const ZERO = 0x30;
const [SPACE, DOT, PLUS] = [0x20, 0x2e, 0x2b];

const two = (text: string, at: number): number =>
  (text.charCodeAt(at) - ZERO) * 10 + text.charCodeAt(at + 1) - ZERO;

/** `2026-01-02 03:04:05.678901+00`, with any number of decimals; anything else is left to the driver's parser. */
export function parseTimestamp(text: string): unknown {
  const end = text.length - 3;
  const year = two(text, 0) * 100 + two(text, 2);
  const isPlain =
    // Date.UTC takes less for a year of the last century.
    year >= 100 &&
    text.charCodeAt(10) === SPACE &&
    text.charCodeAt(end) === PLUS &&
    two(text, end + 1) === 0 &&
    (end === 19 || (end > 20 && text.charCodeAt(19) === DOT));
  if (!isPlain) return parseAny(text);
  return new Date(
    Date.UTC(
      year,
      two(text, 5) - 1,
      two(text, 8),
      two(text, 11),
      two(text, 14),
      two(text, 17),
      millis(text, end),
    ),
  );
}

/** Rounded down, as the driver has it. */
function millis(text: string, end: number): number {
  let ms = 0;
  for (let at = 20; at < 23; at += 1) ms = ms * 10 + (at < end ? text.charCodeAt(at) - ZERO : 0);
  return ms;
}

/** For a pool: everything else as the driver reads it. */
export const TYPES: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === TIMESTAMPTZ && format !== ("binary" as string)
      ? parseTimestamp
      : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

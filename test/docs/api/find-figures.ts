/** Finds what docs/api.md promises in figures: what a test has to hold. */
import { PROBLEM_CODES } from "../../../core/contracts/problem.ts";
import { RUN_ERRORS } from "../../../core/domain/run-errors.ts";

/** A piece of the text. */
export interface Span {
  from: number;
  to: number;
}

/** Names that hold a number and promise none. */
const NAMES =
  /\b(?:RFC \d+|ISO 8601|OpenAPI [\d.]+|HTTP\/[\d.]+|U\+\w+|UTF-8|Latin-1|windows-1252|base64|X11|ADR \d+|SHA-?256)/gi;
const LINK_TARGET = /\]\([^)\n]*\)/g;
const FENCED = /^```[\s\S]*?^```$/gm;
const CODE = /`[^`\n]+`/g;
/** JSON, paths and expressions are examples; a bare value is a default or a bound. */
const IS_EXAMPLE = /[{}*?/\\\s=:…@]/;
const CODES = new Set([...Object.keys(PROBLEM_CODES), ...Object.keys(RUN_ERRORS)]);
// A field of tasks has that name as well.
CODES.delete("timeout");

const SPELLED = "(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|fifty|a hundred|a thousand)";
const UNIT = "(?:milliseconds?|seconds?|minutes?|hours?|days?|bytes|characters|quarters|eighths|times)";
const FIGURES = [
  /\d(?:[\d,.]*\d)?(?:xx\b)?/g,
  new RegExp(`\\b${SPELLED} (?:more )?${UNIT}\\b|\\bat (?:most|least) ${SPELLED}\\b`, "gi"),
  /\b(?:half a|a quarter of a|within an?) (?:second|minute|hour|day)\b/gi,
  /\bdefaults?\b/gi,
];

/** In the order of the text. */
export function findFigures(markdown: string): Span[] {
  const blanked = [FENCED, LINK_TARGET, NAMES].reduce(
    (text, pattern) => text.replace(pattern, blank),
    markdown,
  );
  const codes: Span[] = [];
  const prose = blanked.replace(CODE, (code, at: number) => {
    const word = code.slice(1, -1);
    if (CODES.has(word)) codes.push({ from: at + 1, to: at + code.length - 1 });
    return IS_EXAMPLE.test(word) || /^[a-z]/i.test(word) ? blank(code) : code;
  });
  const figures = FIGURES.flatMap((pattern) =>
    [...prose.matchAll(pattern)].map(({ index, 0: { length } }) => ({ from: index, to: index + length })),
  );
  return [...codes, ...figures].sort((a, b) => a.from - b.from);
}

const blank = (text: string) => text.replaceAll(/[^\n]/g, " ");

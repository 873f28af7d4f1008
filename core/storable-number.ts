/** Numbers that PostgreSQL's jsonb takes: it keeps them as `numeric`, which has bounds where JSON has none. */
import { findStringEnd } from "./json-source.ts";

export const MOST_DIGITS = { beforePoint: 131_072, afterPoint: 16_383 };
export const UNSTORABLE_NUMBER =
  "holds a number that cannot be stored: at most 131,072 digits before its point and 16,383 after it can be";

/** About the greatest that is read, whatever the number comes to: it differs by one between versions. */
const GREATEST_EXPONENT = 2 ** 30 - 2;

/** Fewer digits in a row with an exponent of fewer are within the bounds. Most texts have neither, and need no closer look. */
const SUSPICIOUS = /\d[eE][+-]?\d{5}|(?<!\d)\d{4000}/;
const EACH_SUSPICIOUS = new RegExp(SUSPICIOUS, "g");
const NUMBER = /-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?/y;
const IS_OF_NUMBER = /[\d.eE+-]/;

/** Whether the text, valid JSON, has a number beyond the bounds. */
export function hasUnstorableNumber(text: string): boolean {
  if (!SUSPICIOUS.test(text)) return false;
  for (let begin = 0; begin < text.length; ) {
    const quote = text.indexOf('"', begin);
    const end = quote < 0 ? text.length : quote;
    if (listSuspicious(text.slice(begin, end)).some((number) => !isStorable(number))) return true;
    // What only looks like a number stands in strings.
    begin = quote < 0 ? end : findStringEnd(text, quote) + 1;
  }
  return false;
}

/** The numbers that are worth a closer look. */
function listSuspicious(text: string): RegExpExecArray[] {
  return Array.from(text.matchAll(EACH_SUSPICIOUS), ({ index }) => {
    let begin = index;
    while (begin > 0 && IS_OF_NUMBER.test(text[begin - 1]!)) begin -= 1;
    NUMBER.lastIndex = begin;
    return NUMBER.exec(text)!;
  });
}

function isStorable([, whole = "", fraction = "", exponent = "0"]: RegExpExecArray): boolean {
  const shift = Number(exponent);
  if (Math.abs(shift) > GREATEST_EXPONENT) return false;
  const firstDigit = `${whole}${fraction}`.search(/[1-9]/);
  const beforePoint = firstDigit < 0 ? 0 : whole.length - firstDigit + shift;
  return beforePoint <= MOST_DIGITS.beforePoint && fraction.length - shift <= MOST_DIGITS.afterPoint;
}

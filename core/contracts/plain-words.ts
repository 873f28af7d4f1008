/** What zod finds wrong with a caller's input, in plain words: what would be right, and what was given where it helps. */
import type { z } from "zod";
import type { FieldError } from "../errors.ts";

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

/** What to parse a caller's input with. A message of the schema's own goes before these. */
export const IN_PLAIN_WORDS: z.core.ParseContext<Issue> = { error: toPlainWords, reportInput: true };

const TYPES: Record<string, string> = {
  ...{ string: "text", number: "a number", int: "a whole number", boolean: "true or false" },
  ...{
    object: "an object",
    record: "an object",
    array: "a list",
    tuple: "a list",
    date: "a date",
    null: "null",
  },
};
/** Of formats whose schema says nothing itself. */
const FORMATS: Record<string, string> = {
  ...{ base64: "base64", url: "a URL", email: "an e-mail address", uuid: "a UUID", date: "a date" },
  ...{ datetime: "an RFC 3339 instant such as 2026-12-01T09:00:00Z", ipv4: "an IPv4 address" },
};

function toPlainWords(issue: RawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return "is needed";
      return `must be ${TYPES[issue.expected] ?? issue.expected}, not ${nameKind(issue)}`;
    case "too_small":
      return sayBound(issue.origin, issue.minimum, issue.inclusive === false ? "more than" : "at least");
    case "too_big":
      return sayBound(issue.origin, issue.maximum, issue.inclusive === false ? "less than" : "at most");
    case "invalid_format":
      return sayFormat(issue);
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "unrecognized_keys":
      return "unknown field";
    case "invalid_value":
      return `must be ${listChoices(issue.values)}`;
    case "invalid_union":
      return sayUnion(issue);
    case "invalid_key":
    case "invalid_element":
      return issue.issues[0]?.message ?? "contains something invalid";
    default:
      return issue.input === undefined ? "is needed" : "is not valid";
  }
}

/** What was given is named by its kind: it may be a secret, or long. */
function nameKind({ expected, input }: Extract<RawIssue, { code: "invalid_type" }>): string {
  if (input === null) return "null";
  if (Array.isArray(input)) return "a list";
  if (typeof input === "boolean") return String(input);
  if (input === Number.POSITIVE_INFINITY || input === Number.NEGATIVE_INFINITY)
    return "one too large to be stored";
  if (typeof input === "number" && (expected === "int" || Number.isNaN(input))) return String(input);
  return TYPES[typeof input] ?? typeof input;
}

function sayBound(origin: string, bound: number | bigint, relation: string): string {
  const isOne = Number(bound) === 1;
  if (origin === "string") {
    if (relation === "at least" && isOne) return "must not be empty";
    return `must be ${relation} ${bound} ${isOne ? "character" : "characters"} long`;
  }
  if (origin === "array" || origin === "set" || origin === "map" || origin === "object")
    return `must hold ${relation} ${bound} ${isOne ? "entry" : "entries"}`;
  return `must be ${relation} ${bound}`;
}

function sayFormat(issue: Extract<RawIssue, { code: "invalid_format" }>): string {
  const { format, pattern, prefix, suffix, includes } = issue;
  if (format === "regex") return `must match ${pattern}`;
  if (format === "starts_with") return `must begin with ${JSON.stringify(prefix)}`;
  if (format === "ends_with") return `must end with ${JSON.stringify(suffix)}`;
  if (format === "includes") return `must contain ${JSON.stringify(includes)}`;
  return `must be ${FORMATS[format] ?? `a valid ${format}`}`;
}

/** What may be left out is no choice that anybody could write. */
function listChoices(choices: readonly unknown[]): string {
  const written = choices.filter((choice) => choice !== undefined);
  return written.length === 1 ? JSON.stringify(written[0]) : `one of ${written.map(String).join(", ")}`;
}

/** What each part of a union would take, where all of them are refused as a whole. */
function sayUnion(issue: Extract<RawIssue, { code: "invalid_union" }>): string {
  if (Array.isArray(issue.options)) return `must be ${listChoices(issue.options)}`;
  const wanted = issue.errors.map(([first]) => /^must be ((?:(?!, not ).)+)/.exec(first?.message ?? "")?.[1]);
  return wanted.length > 0 && wanted.every((words) => words !== undefined)
    ? `must be ${[...new Set(wanted)].join(" or ")}`
    : "has none of the allowed forms";
}

const MAX_FIELDS = 20;

/** One entry for each field that was refused, with its dotted path; the first twenty. */
export function toFieldErrors(issues: readonly Issue[]): FieldError[] {
  return withoutFollowing(issues)
    .slice(0, MAX_FIELDS)
    .flatMap((issue) => toEntries(issue, []))
    .slice(0, MAX_FIELDS);
}

/** What is of another type has no length or range that matters: zod looks at a list's as if it were a text's. */
function withoutFollowing(issues: readonly Issue[]): Issue[] {
  const isOfType = ({ code }: Issue) => code === "invalid_type";
  const mistyped = new Set(issues.filter(isOfType).map(({ path }) => path.join("\0")));
  return issues.filter((issue) => isOfType(issue) || !mistyped.has(issue.path.join("\0")));
}

function toEntries(issue: Issue, around: PropertyKey[]): FieldError[] {
  const path = [...around, ...issue.path];
  if (issue.code === "unrecognized_keys")
    return issue.keys.slice(0, MAX_FIELDS).map((key) => toEntry([...path, key], "unknown field"));
  if (issue.code === "invalid_key") return [toEntry(path, issue.issues[0]?.message ?? issue.message)];
  if (issue.code === "invalid_union") {
    const meant = findMeant(issue.errors);
    if (meant)
      return withoutFollowing(meant)
        .slice(0, MAX_FIELDS)
        .flatMap((inner) => toEntries(inner, path));
  }
  return [toEntry(path, issue.message)];
}

/** The part of a union that was meant: refused for something inside it, and the one that knows most of what was given. */
const findMeant = (parts: readonly Issue[][]): Issue[] | undefined =>
  parts
    .filter((found) => found.every((inner) => isInside(inner)))
    .toSorted((one, other) => countUnknown(one) - countUnknown(other))[0];

const countUnknown = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + countUnknownOf(issue), 0);

function countUnknownOf(issue: Issue): number {
  if (issue.code === "unrecognized_keys") return issue.keys.length;
  if (issue.code !== "invalid_union" || issue.discriminator === undefined) return 0;
  // Forms that are told apart by a field, which is not there: none of them looked at the others.
  const given = (issue.input ?? {}) as Record<string, unknown>;
  return given[issue.discriminator] === undefined ? Object.keys(given).length : 0;
}

const isInside = ({ path, code }: Issue) => path.length > 0 || code === "unrecognized_keys";

const toEntry = (path: PropertyKey[], message: string): FieldError => ({
  field: path.map((name) => shortenName(String(name))).join("."),
  message,
});

const MAX_SHOWN_NAME = 256;

/** A field's name as an answer shows it: it may be as long as the body. */
export function shortenName(name: string): string {
  return name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}…` : name;
}

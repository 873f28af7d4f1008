/**
 * The failures we know of, with their reasons: expectations.json holds groups, each of a kind and one reason, with the
 * names of subtests by file.
 */
import { readFileSync, writeFileSync } from "node:fs";

/**
 * `browser`: what only a browser has to do. `server`: needs the tests' server. `withheld`: what the sandbox keeps from
 * guests by decision. `engine`: V8 or Node itself. `dated`: the test is older than today's standard. `ours`: we could do
 * better. `new`: written by --update-expectations, not judged.
 */
export type Kind = "browser" | "server" | "withheld" | "engine" | "dated" | "ours" | "new";

export interface ExpectationGroup {
  kind: Kind;
  reason: string;
  /** These fail in some runs and pass in others, by the clock: a pass is no surprise. */
  isIntermittent?: true;
  /** By file: exact names of subtests, or /regular expressions/ where they are many. */
  failures: Record<string, string[]>;
}

export interface Skip {
  /** A regular expression over the file's path. */
  files: string;
  reason: string;
}

export interface Expectations {
  skipped: Skip[];
  groups: ExpectationGroup[];
}

/** Failures of a file that has none by name: its harness, or the whole run. */
export const WHOLE_FILE = "(the file)";
const KINDS: readonly string[] = [
  "browser",
  "server",
  "withheld",
  "engine",
  "dated",
  "ours",
  "new",
] satisfies Kind[];
const PATH = new URL("expectations.json", import.meta.url);
const NEW_REASON = "Not judged yet.";

export function readExpectations(): Expectations {
  return parseExpectations(readFileSync(PATH, "utf8"));
}

export function writeExpectations(expectations: Expectations): void {
  writeFileSync(PATH, `${JSON.stringify(expectations, undefined, 2)}\n`);
}

/** Throws for a text that has not the form. */
export function parseExpectations(text: string): Expectations {
  const { skipped = [], groups = [] } = JSON.parse(text) as Partial<Expectations>;
  for (const { kind, reason, failures } of groups) {
    if (!KINDS.includes(kind)) throw new Error(`Expectations know no kind ${JSON.stringify(kind)}.`);
    if (!reason || typeof failures !== "object")
      throw new Error("Each group of expectations has a reason and failures.");
  }
  return { skipped, groups };
}

/** Why a file is not run; undefined: it is. */
export function skipReason({ skipped }: Expectations, path: string): string | undefined {
  return skipped.find(({ files }) => new RegExp(files).test(path))?.reason;
}

interface Rule {
  kind: Kind;
  name: string;
  mayPass: boolean;
  matches(name: string): boolean;
}

export interface Judged {
  /** Failures that were expected, by kind. */
  expected: Partial<Record<Kind, number>>;
  /** Names of failures that no rule expects. */
  unexpected: string[];
  /** Rules that nothing failed under: what they name passes now, or is gone. */
  stale: string[];
}

/** Compares the failures of one file with what was expected of it. */
export function judge(expectations: Expectations, path: string, failures: readonly string[]): Judged {
  const rules = rulesOf(expectations, path);
  const used = new Set<Rule>();
  const judged: Judged = { expected: {}, unexpected: [], stale: [] };
  for (const name of failures) {
    const rule = rules.find((candidate) => candidate.matches(name));
    if (!rule) {
      judged.unexpected.push(name);
      continue;
    }
    used.add(rule);
    judged.expected[rule.kind] = (judged.expected[rule.kind] ?? 0) + 1;
  }
  judged.stale = rules.filter((rule) => !used.has(rule) && !rule.mayPass).map(({ name }) => name);
  return judged;
}

/** Exact names come first: a pattern is for what nothing else names. */
function rulesOf({ groups }: Expectations, path: string): Rule[] {
  const rules = groups.flatMap(({ kind, isIntermittent: mayPass = false, failures }) =>
    (failures[path] ?? []).map((name) => ({ kind, name, mayPass, matches: matcherOf(name) })),
  );
  return rules.sort((a, b) => Number(isPattern(a.name)) - Number(isPattern(b.name)));
}

function matcherOf(name: string): (candidate: string) => boolean {
  if (!isPattern(name)) return (candidate) => candidate === name;
  const pattern = new RegExp(name.slice(1, -1), "s");
  return (candidate) => pattern.test(candidate);
}

function isPattern(name: string): boolean {
  return name.length > 2 && name.startsWith("/") && name.endsWith("/");
}

/** The expectations that fit what was seen of one file: stale names out, unexpected ones into a group to be judged. */
export function updated(
  expectations: Expectations,
  path: string,
  { unexpected, stale }: Judged,
): Expectations {
  const gone = new Set(stale);
  const groups = expectations.groups.map((group) => withFailures(group, path, (name) => !gone.has(name), []));
  if (unexpected.length > 0) {
    let index = groups.findIndex(({ kind }) => kind === "new");
    if (index === -1) index = groups.push({ kind: "new", reason: NEW_REASON, failures: {} }) - 1;
    groups[index] = withFailures(groups[index]!, path, () => true, unexpected);
  }
  return { ...expectations, groups: groups.filter(({ failures }) => Object.keys(failures).length > 0) };
}

function withFailures(
  group: ExpectationGroup,
  path: string,
  keep: (name: string) => boolean,
  added: readonly string[],
): ExpectationGroup {
  const names = [...new Set([...(group.failures[path] ?? []).filter(keep), ...added])];
  const { [path]: _, ...others } = group.failures;
  const failures = names.length > 0 ? { ...others, [path]: names } : others;
  return {
    ...group,
    failures: Object.fromEntries(Object.entries(failures).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

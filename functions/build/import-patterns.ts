/**
 * What a computed name may mean among the files of an upload: `./locales/` + name + `.js` is a pattern, as it is for
 * bundlers. A value in it stands for a part of one name; one that follows a slash may also stand for folders.
 */

import { posix } from "node:path";
import type { Expression, PrivateIdentifier } from "acorn";

/** Text, or undefined for a value that is only known when the program runs. */
type Part = string | undefined;
export type NamePattern = Part[];

/** The patterns of an expression: one for each branch of a condition. */
export function patternsOf(expression: Expression): NamePattern[] {
  if (expression.type === "ConditionalExpression") {
    return [...patternsOf(expression.consequent), ...patternsOf(expression.alternate)];
  }
  return [joinTexts(partsOf(expression))];
}

function partsOf(expression: Expression | PrivateIdentifier): Part[] {
  if (expression.type === "Literal" && typeof expression.value === "string") return [expression.value];
  if (expression.type === "TemplateLiteral") {
    const { quasis, expressions } = expression;
    return quasis.flatMap(({ value }, i) => {
      const following = expressions[i];
      return [value.cooked ?? "", ...(following ? partsOf(following) : [])];
    });
  }
  if (expression.type === "BinaryExpression" && expression.operator === "+") {
    const parts: Part[][] = [];
    let left: Expression | PrivateIdentifier = expression;
    // A chain of additions is as deep as it is long.
    while (left.type === "BinaryExpression" && left.operator === "+") {
      parts.push(partsOf(left.right));
      left = left.left;
    }
    return [...partsOf(left), ...parts.reverse().flat()];
  }
  return [undefined];
}

function joinTexts(parts: Part[]): NamePattern {
  const joined: NamePattern = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part === "") continue;
    if (joined.length > 0 && part !== undefined && last !== undefined)
      joined[joined.length - 1] = last + part;
    else if (joined.length === 0 || part !== undefined || last !== undefined) joined.push(part);
  }
  return joined;
}

/** The name, where it is text alone. */
export function plainName(pattern: NamePattern): string | undefined {
  return pattern.length === 1 ? pattern[0] : undefined;
}

/** Names of files that the pattern fits, as `importer` would write them. `namesOf` lists the names that a file goes by. */
export function matchNames(
  pattern: NamePattern,
  importer: string,
  files: Iterable<string>,
  namesOf: (path: string) => string[],
): string[] {
  const [start] = pattern;
  if (start === undefined || !/^\.\.?\//.test(start)) return [];
  const written = start.slice(0, start.lastIndexOf("/") + 1);
  const folder = posix.join(posix.dirname(importer), written);
  if (folder.startsWith("..")) return [];
  const inFolder = folder === "./" ? "" : folder;
  const names: string[] = [];
  for (const path of files) {
    if (!path.startsWith(inFolder)) continue;
    for (const name of namesOf(path.slice(inFolder.length))) {
      if (fits(written + name, pattern)) names.push(written + name);
    }
  }
  return names;
}

/** Follows all ways at once: there is no pattern that takes more steps than its length times the name's. */
function fits(name: string, pattern: NamePattern): boolean {
  let ends = new Set([0]);
  let before = "";
  for (const part of pattern) {
    const next = new Set<number>();
    for (const end of ends) {
      if (part !== undefined) {
        if (name.startsWith(part, end)) next.add(end + part.length);
        continue;
      }
      const slash = before.endsWith("/") ? -1 : name.indexOf("/", end);
      const last = slash === -1 ? name.length : slash;
      for (let at = end; at <= last; at += 1) next.add(at);
    }
    if (next.size === 0) return false;
    ends = next;
    before = part ?? "";
  }
  return ends.has(name.length);
}

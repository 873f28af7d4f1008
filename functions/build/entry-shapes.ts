/** Shapes of functions beside a default export, as their sources show them, and what stands for names of other platforms. */
import { posix } from "node:path";
import { pathToFileURL } from "node:url";

const LISTENS = /\baddEventListener\s*\(\s*["'`](?:fetch|scheduled)["'`]/;
const DENO = /\bDeno\s*(?:\?\s*)?\.\s*(?:serve|env)\b/;
const SERVES = /\bDeno\s*(?:\?\s*)?\.\s*serve\b/g;
/** Served only where there is a global `Deno`, which there never is. */
const SERVES_IF_ASKED =
  /(?:typeof\s+(?:globalThis\s*\.\s*)?Deno\s*!==?\s*["'`]undefined["'`]|["'`]Deno["'`]\s+in\s+globalThis|\bif\s*\(\s*globalThis\s*\.\s*Deno)\s*(?:\)(?:\s*\{)?|&&)\s*(?:await\s+|globalThis\s*\.\s*)?Deno\s*(?:\?\s*)?\.\s*serve\b/g;

/**
 * What is wrong with an entry that builds and could never be called, and what would work. `isCommonJs`: the compiler
 * takes every such module to have a default export.
 */
export function findEntryFault(
  entry: string,
  { exports, isCommonJs }: { exports: readonly string[]; isCommonJs: boolean },
  files: ReadonlyMap<string, string>,
): string | undefined {
  const sources = [...files.values()];
  if (sources.some((source) => LISTENS.test(source))) return undefined;
  const count = (pattern: RegExp) =>
    sources.reduce((sum, source) => sum + (source.match(pattern)?.length ?? 0), 0);
  const served = count(SERVES);
  if (served > count(SERVES_IF_ASKED)) return undefined;
  if (isCommonJs) {
    const name = findOtherExport(files.get(entry) ?? "");
    if (name === undefined) return undefined;
    return `${entry} exports only what is not called, such as ${name}: write module.exports = async function (input, ctx) { … }`;
  }
  if (exports.includes("default")) return undefined;
  if (served === 0)
    return `${entry} has no default export: write export default async function (input, ctx) { … }`;
  return `${entry} has no default export, and Deno.serve is called only where there is a global Deno, which there is not here: call Deno.serve(handler) without asking, or write export default { fetch: handler }`;
}

const EXPORTS = /\b(?:module|exports)\b/g;
const NAMED_EXPORT = /^(?:module\s*\.\s*)?exports\s*\.\s*([\w$]+)/;
/** `module.exports = {` and the names in it, where they stand for variables: `{ handler, config: settings }`. */
const LISTED_EXPORTS =
  /^module\s*\.\s*exports\s*=\s*\{((?:\s*[\w$]+\s*(?::\s*[\w$.]+\s*)?,)*(?:\s*[\w$]+\s*(?::\s*[\w$.]+\s*)?)?)\s*\}\s*(?:;|$|\n)/;
const LISTED_NAME = /([\w$]+)\s*(?::[^,]*)?(?:,|$)/g;
const CALLED = new Set(["default", "fetch", "scheduled"]);
/** How much of a list is read. */
const MAX_LIST_CHARS = 2_000;

/**
 * The first name of a CommonJS module that gives others than those it could be called by. Undefined also where it does
 * anything with `module` or `exports` that its text alone does not tell.
 */
function findOtherExport(source: string): string | undefined {
  let first: string | undefined;
  let readTo = 0;
  for (const { index } of source.matchAll(EXPORTS)) {
    if (index < readTo) continue;
    const text = source.slice(index, index + MAX_LIST_CHARS);
    const found = NAMED_EXPORT.exec(text) ?? LISTED_EXPORTS.exec(text);
    if (!found) return undefined;
    const isList = found[0].includes("{");
    const names = isList ? Array.from(found[1]!.matchAll(LISTED_NAME), ([, name]) => name!) : [found[1]!];
    if (names.some((name) => CALLED.has(name))) return undefined;
    readTo = index + found[0].length;
    first ??= names.find((name) => name !== "__esModule");
  }
  return first;
}

/**
 * What stands for `Deno.serve` and `Deno.env`: the guest's own, by the `require` that every script has. A global `Deno`
 * would make libraries look for the rest of it.
 */
export function definesOf(sources: Iterable<string>): Record<string, string> {
  if (!Array.from(sources).some((source) => DENO.test(source))) return {};
  const names = ["serve", "env"].flatMap((name) => [
    [`Deno.${name}`, `require.deno.${name}`],
    [`globalThis.Deno.${name}`, `require.deno.${name}`],
  ]);
  return Object.fromEntries(names);
}

/** No such folder is anywhere. */
const FOLDER = "/function";

/** Where a module says that it lies: all become one script, so it is where the entry would be. */
export function placesOf(entry: string): Record<string, string> {
  const path = posix.join(FOLDER, entry);
  const folder = posix.dirname(path);
  const places = {
    "import.meta.url": pathToFileURL(path).href,
    "import.meta.filename": path,
    "import.meta.dirname": folder,
    __filename: path,
    __dirname: folder,
  };
  return Object.fromEntries(Object.entries(places).map(([name, place]) => [name, JSON.stringify(place)]));
}

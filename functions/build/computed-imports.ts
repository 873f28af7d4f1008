/**
 * `import()` and `require()` of a computed name. esbuild takes one that begins with `./` or `../` for a pattern and walks
 * the disk for its files before any plugin is asked, so it is shown none: each becomes a call of a function at the end of
 * its file, which knows the files of the upload that the name may mean. The function's name is as long as the word that
 * it replaces, so that nothing moves and source maps hold.
 */
import { createHash } from "node:crypto";
import { type Expression, type Options, Parser, type Program } from "acorn";
import { simple } from "acorn-walk";
import { type Loader, transform } from "esbuild";
import { type NamePattern, patternsOf, plainName } from "./import-patterns.ts";

export interface RewrittenSource {
  /** JavaScript. */
  code: string;
  /** Source map v3 as JSON, to the source as it was. */
  map: string;
}

interface Computed {
  start: number;
  word: "import" | "require";
  name: Expression;
}

/** esbuild writes a name that is known as one literal in double quotes. */
const KNOWN_NAME = String.raw`"(?:[^"\\]|\\.)*"[,)]`;
/** Where there may be a computed import; escapes hide names. */
const SUSPECT = /\brequire\b|\bimport\s*[(./]|\\u/;
const SYNTAX: Options = {
  ecmaVersion: "latest",
  allowHashBang: true,
  allowReturnOutsideFunction: true,
  allowSuperOutsideMethod: true,
};

/**
 * Undefined where nothing is computed. Throws esbuild's faults, and `SyntaxError` or `RangeError` for what cannot be
 * read, most of it for nesting too deeply.
 */
export async function rewriteComputedImports(
  source: string,
  { path, loader, namesFor }: { path: string; loader: Loader; namesFor: NamesFor },
): Promise<RewrittenSource | undefined> {
  if (!SUSPECT.test(source)) return undefined;
  const names = { import: makeName(source, "import"), require: makeName(source, "require") };
  const { code, map } = await transform(source, {
    loader,
    target: "es2024",
    // Only what no one else in the file calls so is renamed.
    define: { require: names.require },
    sourcemap: "external",
    sourcesContent: false,
    sourcefile: path,
    legalComments: "none",
    tsconfigRaw: "{}",
    logLevel: "silent",
  });
  const required = names.require.replace("$", String.raw`\$`);
  const computes = new RegExp(
    String.raw`(?:\bimport|${required})(?:\?\.)?\((?!${KNOWN_NAME})|\bimport\.(?!meta)`,
  );
  if (!computes.test(code)) return undefined;
  const computed = findComputed(code, names.require);
  if (computed.length === 0) return undefined;
  return { code: `${rename(code, computed, names)}\n${lookupsFor(computed, names, namesFor)}`, map };
}

/** The names of files that a pattern fits. */
export type NamesFor = (pattern: NamePattern) => string[];
type Names = Record<Computed["word"], string>;

/** As long as the word, and nowhere in the source. */
function makeName(source: string, word: string): string {
  for (let salt = 0; ; salt += 1) {
    const digest = createHash("sha256").update(`${word} ${salt} ${source}`).digest("hex");
    const name = `$${digest.slice(0, word.length - 1)}`;
    if (!source.includes(name)) return name;
  }
}

function findComputed(code: string, required: string): Computed[] {
  const computed: Computed[] = [];
  simple(parseScript(code), {
    ImportExpression({ start, source }) {
      if (!isKnown(source)) computed.push({ start, word: "import", name: source });
    },
    CallExpression({ callee, arguments: [name, ...more] }) {
      if (callee.type !== "Identifier" || callee.name !== required || more.length > 0) return;
      if (name === undefined || name.type === "SpreadElement" || isKnown(name)) return;
      computed.push({ start: callee.start, word: "require", name });
    },
  });
  return computed.sort((a, b) => a.start - b.start);
}

/** It does not look for names that are declared twice: that takes the square of their number, and esbuild has done it. */
const QuickParser = Parser.extend(
  (Base) =>
    class extends Base {
      declareName(): void {}
      checkLocalExport(): void {}
    },
);

function parseScript(code: string): Program {
  try {
    return QuickParser.parse(code, { ...SYNTAX, sourceType: "module" });
  } catch (thrown) {
    try {
      // What is no module may be written in the older ways.
      return QuickParser.parse(code, { ...SYNTAX, sourceType: "commonjs" });
    } catch {
      throw thrown;
    }
  }
}

function isKnown(name: Expression): boolean {
  return name.type === "Literal" && typeof name.value === "string";
}

/** All but what is computed is named `require` again. */
function rename(code: string, computed: readonly Computed[], names: Names): string {
  const pieces: string[] = [];
  let done = 0;
  for (const { start, word } of computed) {
    pieces.push(code.slice(done, start).replaceAll(names.require, "require"), names[word]);
    done = start + word.length;
  }
  pieces.push(code.slice(done).replaceAll(names.require, "require"));
  return pieces.join("");
}

function lookupsFor(computed: readonly Computed[], names: Names, namesFor: NamesFor): string {
  const casesOf = (word: Computed["word"]) => {
    const patterns = computed.filter((one) => one.word === word).flatMap(({ name }) => patternsOf(name));
    // Files are looked for once for calls that are alike, of which generated code may have thousands.
    const distinct = new Map(patterns.map((pattern) => [JSON.stringify(pattern), pattern])).values();
    const files = new Set([...distinct].flatMap((pattern) => plainName(pattern) ?? namesFor(pattern)));
    return Array.from(
      files,
      (file) => `case ${JSON.stringify(file)}: return ${word}(${JSON.stringify(file)});`,
    );
  };
  const words = new Set(computed.map(({ word }) => word));
  const lookups: string[] = [];
  if (words.has("import")) {
    // What the name's own code throws rejects, too.
    lookups.push(
      `async function ${names.import}(name) { name = \`\${name}\`; ${lookUp("import", casesOf)} }`,
    );
  }
  if (words.has("require")) lookups.push(`function ${names.require}(name) { ${lookUp("require", casesOf)} }`);
  return lookups.join("\n");
}

/** What is no path may be a module of the sandbox, which its own `require` knows. */
function lookUp(word: Computed["word"], casesOf: (word: Computed["word"]) => string[]): string {
  const code = word === "import" ? "ERR_MODULE_NOT_FOUND" : "MODULE_NOT_FOUND";
  const fault = `Object.assign(new Error(JSON.stringify(name) + " is not among the uploaded files that this computed name may mean"), { code: "${code}" })`;
  return `switch (name) { ${casesOf(word).join(" ")} } if (/^(\\.|\\/|file:)/.test(name)) throw ${fault}; return ${word}(name);`;
}

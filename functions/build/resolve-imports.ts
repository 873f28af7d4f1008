import { isBuiltin } from "node:module";
import { posix } from "node:path";
import type { ImportKind, Loader, PartialMessage, Plugin } from "esbuild";
import { isBuildFailure } from "./build-failure.ts";
import { type NamesFor, type RewrittenSource, rewriteComputedImports } from "./computed-imports.ts";
import { matchNames } from "./import-patterns.ts";
import type { InstalledPackages } from "./packages/installed-packages.ts";
import { isInstalled, withoutMark } from "./packages/package-paths.ts";

/** Every path esbuild sees lives here, so that none of them can mean the disk. */
export const SOURCE_NAMESPACE = "bellhop";

/**
 * What is imported or required while the function runs may be optional: where it is not in the upload, that rejects or
 * throws then, with the code that Node would give. Kind → code.
 */
const MISSING_CODES: { [Kind in ImportKind]?: string } = {
  "dynamic-import": "ERR_MODULE_NOT_FOUND",
  "require-call": "MODULE_NOT_FOUND",
};
/** No such folder: what esbuild resolves from it is nowhere on the disk. */
export const NOWHERE = "/bellhop/nowhere";

const missingNamespace = (code: string) => `${SOURCE_NAMESPACE}-${code}`;

const LOADERS: Record<string, Loader> = {
  ".ts": "ts",
  ".tsx": "tsx",
  ".mts": "ts",
  ".js": "jsx",
  ".jsx": "jsx",
  ".mjs": "jsx",
  ".cjs": "jsx",
  ".json": "json",
};

const NOT_A_SOURCE = `a source ends in one of ${Object.keys(LOADERS).join(" ")}`;

/** TypeScript sources are imported by the name of the file they would become. */
const SOURCES_OF: Record<string, string[]> = { ".js": [".ts", ".tsx"], ".jsx": [".tsx"], ".mjs": [".mts"] };

const RELATIVE = /^\.\.?(\/|$)/;

/** The file an import means, or undefined. `importer` is the path of the importing file. */
export function resolveImport(
  files: ReadonlyMap<string, string>,
  importer: string,
  specifier: string,
): string | undefined {
  const path = posix.join(posix.dirname(importer), specifier);
  const extension = posix.extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const candidates = [
    path,
    ...(SOURCES_OF[extension] ?? []).map((source) => stem + source),
    ...Object.keys(LOADERS).map((known) => path + known),
    ...Object.keys(LOADERS).map((known) => posix.join(path, `index${known}`)),
  ];
  return candidates.find((candidate) => files.has(candidate));
}

/** Path → what esbuild is given in the place of a source, where that is another. */
export type Rewritten = Map<string, RewrittenSource | undefined>;

/** What a file of the upload may be called where it is imported: its name, and what `resolveImport` takes for it. */
function namesOf(path: string): string[] {
  const { dir, name, ext } = posix.parse(path);
  const stem = posix.join(dir, name);
  const asBuilt = Object.keys(SOURCES_OF).filter((built) => SOURCES_OF[built]?.includes(ext));
  const folder = name === "index" && dir !== "" ? [dir] : [];
  return [path, ...asBuilt.map((built) => stem + built), stem, ...folder];
}

/**
 * Lets esbuild see the given files, and what is installed for them, and nothing else. What it was given in their place is
 * kept in `rewritten`.
 */
export function inMemoryFiles(
  files: ReadonlyMap<string, string>,
  rewritten: Rewritten,
  installed?: InstalledPackages,
): Plugin {
  const sources = [...files.keys()].filter((path) => posix.extname(path) in LOADERS);
  const isForeign = (path: string) => installed !== undefined && isInstalled(path);
  const find = (importer: string, path: string, kind: ImportKind) => {
    if (!isForeign(importer) && RELATIVE.test(path)) return resolveImport(files, importer, path);
    return installed?.resolve(importer, path, kind === "require-call" ? "require" : "import");
  };
  const rewrite = async (path: string, source: string, loader: Loader) => {
    if (!rewritten.has(path)) {
      const near = isForeign(path) ? (installed?.filesBeside(path) ?? []) : sources;
      const namesFor: NamesFor = (pattern) =>
        matchNames(pattern, path, near, namesOf).filter((name) => find(path, name, "require-call"));
      rewritten.set(path, await rewriteComputedImports(source, { path, loader, namesFor }));
    }
    return rewritten.get(path);
  };
  return {
    name: SOURCE_NAMESPACE,
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ kind, path, importer: marked }) => {
        const importer = withoutMark(marked);
        if (kind === "entry-point") return { path, namespace: SOURCE_NAMESPACE };
        // Whatever Node calls a module is one here: the sandbox has it, or says by its name that it has not.
        if (isBuiltin(path)) return { path, external: true };
        const found = find(importer, path, kind);
        if (found !== undefined && !(posix.extname(found) in LOADERS))
          return { errors: [{ text: `${JSON.stringify(path)}: ${NOT_A_SOURCE}` }] };
        if (found !== undefined)
          return { path: found, ...installed?.describe(found), namespace: SOURCE_NAMESPACE };
        // Throws where it is run, as there is no disk to be asked.
        if (kind === "require-resolve" && isForeign(importer)) return { path, external: true };
        const code = MISSING_CODES[kind];
        if (code !== undefined) return { path, namespace: missingNamespace(code) };
        return { errors: [{ text: explainUnresolved(path, installed !== undefined) }] };
      });
      for (const code of Object.values(MISSING_CODES)) {
        build.onLoad({ filter: /.*/, namespace: missingNamespace(code) }, ({ path }) => ({
          contents: throwMissing(explainUnresolved(path, installed !== undefined), code),
          loader: "js",
        }));
      }
      build.onLoad({ filter: /.*/, namespace: SOURCE_NAMESPACE }, async ({ path: marked }) => {
        const path = withoutMark(marked);
        const source = files.get(path) ?? installed?.read(path);
        const loader = LOADERS[posix.extname(path)];
        if (source === undefined) return { errors: [{ text: explainUnresolved(path, false) }] };
        // The entry: all others are known by now.
        if (loader === undefined)
          return { errors: [{ text: NOT_A_SOURCE, location: { file: path, line: 1, column: 0 } }] };
        if (loader === "json") return { contents: source, loader };
        const plain = hideSourceMapComment(withJsxRuntime(source));
        try {
          const given = await rewrite(path, plain, loader);
          if (given === undefined) return { contents: plain, loader };
          return { contents: withSourceMap(given), loader: "js" };
        } catch (thrown) {
          return { errors: explainUnreadable(path, thrown) };
        }
      });
    },
  };
}

/** Of a source with a computed import. Rethrows what is no fault of the source. */
function explainUnreadable(path: string, thrown: unknown): PartialMessage[] {
  if (isBuildFailure(thrown)) return thrown.errors;
  const location = { file: path, line: 1, column: 0 };
  if (!(thrown instanceof SyntaxError || thrown instanceof RangeError)) throw thrown;
  return [{ text: `The computed import() or require() in it cannot be found: ${thrown.message}`, location }];
}

/** What is written `name:` before a name. */
const SCHEME = /^([a-z][a-z0-9+.-]*):/i;
/** Where some bundlers and platforms fetch modules from. */
const FETCHED = new Set(["http", "https", "npm", "jsr", "file", "data"]);

function explainUnresolved(specifier: string, hasInstalled: boolean): string {
  if (specifier === "bellhop") {
    return 'The module "bellhop" holds only types: write import type { Context } from "bellhop"';
  }
  const name = JSON.stringify(specifier);
  if (specifier.startsWith(".")) return `${name} is not among the uploaded files`;
  const scheme = SCHEME.exec(specifier)?.[1]?.toLowerCase();
  if (scheme === "node") return `Node has no module ${name}`;
  if (scheme !== undefined && !FETCHED.has(scheme))
    return `${name} is a module of another platform, and a function has none of that name`;
  if (hasInstalled) return `${name} is not among the installed packages, or is nothing that they export`;
  const what = scheme === undefined ? `The package ${name}` : name;
  return `${what} is not among the uploaded files: bundle what the function needs and upload that`;
}

/** Evaluated where it is asked for, and not before; it names nothing, as by its name esbuild may take it for either kind of module. */
function throwMissing(message: string, code: string): string {
  return `throw Object.assign(new Error(${JSON.stringify(message)}), { code: ${JSON.stringify(code)} });\n`;
}

/** Who names where JSX is imported from means the way by which it is. Nothing moves: esbuild looks at every comment. */
function withJsxRuntime(source: string): string {
  if (!/@jsxImportSource\s/.test(source) || /@jsxRuntime\s/.test(source)) return source;
  return `${source}\n/* @jsxRuntime automatic */`;
}

/**
 * A source map comment may carry a file: address, which esbuild would read from the disk. It obeys the last such
 * comment of a file: this one, empty.
 */
function hideSourceMapComment(source: string): string {
  if (!source.includes("sourceMappingURL")) return source;
  return `${source}\n//# sourceMappingURL=data:application/json,%7B%7D\n`;
}

function withSourceMap({ code, map }: RewrittenSource): string {
  const encoded = Buffer.from(map).toString("base64");
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${encoded}\n`;
}

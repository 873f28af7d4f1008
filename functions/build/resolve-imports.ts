import { isBuiltin } from "node:module";
import { posix } from "node:path";
import type { ImportKind, Loader, Plugin } from "esbuild";

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
/**
 * esbuild takes `import("./a/" + name)` for a pattern and looks for its files on the disk, before any plugin is asked.
 * What it finds, and whether it finds anything, is the host's: every such import gets these words and no others.
 */
const COMPUTED_IMPORT =
  'The name in import() or require() is computed from text that begins with "./" or "../": write each name out';
/** No such folder, and far below the root: a pattern that climbs a little finds nothing to walk through. */
const NOWHERE = `/bellhop${"/-".repeat(500)}`;
const PATTERN_FAULT = /^(?:Could not resolve|The glob pattern) (?:import|require)\(/;

/** The faults to report: where a name is computed those alone, one for each place, whatever the disk holds. */
export function hideDisk<Fault extends { text: string; place?: object }>(faults: Fault[]): Fault[] {
  const computed = faults.filter(({ text }) => text === COMPUTED_IMPORT || PATTERN_FAULT.test(text));
  if (computed.length === 0) return faults;
  const byPlace = new Map(
    computed.map((fault) => [JSON.stringify(fault.place), { ...fault, text: COMPUTED_IMPORT }]),
  );
  return [...byPlace].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, fault]) => fault);
}

const missingNamespace = (code: string) => `${SOURCE_NAMESPACE}-${code}`;

const LOADERS: Record<string, Loader> = {
  ".ts": "ts",
  ".tsx": "tsx",
  ".mts": "ts",
  ".js": "jsx",
  ".jsx": "jsx",
  ".mjs": "jsx",
  ".json": "json",
};

/** TypeScript sources are imported by the name of the file they would become. */
const SOURCES_OF: Record<string, string[]> = { ".js": [".ts", ".tsx"], ".jsx": [".tsx"], ".mjs": [".mts"] };

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

/** Lets esbuild see the given files and nothing else. */
export function inMemoryFiles(files: ReadonlyMap<string, string>): Plugin {
  return {
    name: SOURCE_NAMESPACE,
    setup(build) {
      build.onResolve({ filter: /.*/ }, ({ kind, path, importer }) => {
        if (kind === "entry-point") return { path, namespace: SOURCE_NAMESPACE };
        // Whatever Node calls a module is one here: the sandbox has it, or says by its name that it has not.
        if (isBuiltin(path)) return { path, external: true };
        const found = /^\.\.?(\/|$)/.test(path) ? resolveImport(files, importer, path) : undefined;
        if (found !== undefined) return { path: found, namespace: SOURCE_NAMESPACE };
        const code = MISSING_CODES[kind];
        if (code !== undefined) return { path, namespace: missingNamespace(code) };
        return { errors: [{ text: explainUnresolved(path) }] };
      });
      for (const code of Object.values(MISSING_CODES)) {
        build.onLoad({ filter: /.*/, namespace: missingNamespace(code) }, ({ path }) => ({
          contents: throwMissing(path, code),
          loader: "js",
        }));
      }
      build.onLoad({ filter: /.*/ }, ({ path, namespace }) => {
        // Only a pattern leads to the disk.
        if (namespace === "file") return { errors: [{ text: COMPUTED_IMPORT }] };
        const source = namespace === SOURCE_NAMESPACE ? files.get(path) : undefined;
        const loader = LOADERS[posix.extname(path)];
        if (source === undefined) return { errors: [{ text: explainUnresolved(path) }] };
        if (loader === undefined) {
          return { errors: [{ text: `A source ends in one of ${Object.keys(LOADERS).join(" ")}` }] };
        }
        return {
          contents: loader === "json" ? source : hideSourceMapComment(source),
          loader,
          resolveDir: NOWHERE,
        };
      });
    },
  };
}

function explainUnresolved(specifier: string): string {
  if (specifier === "bellhop") {
    return 'The module "bellhop" holds only types: write import type { Context } from "bellhop"';
  }
  const name = JSON.stringify(specifier);
  if (specifier.startsWith(".")) return `${name} is not among the uploaded files`;
  return `The package ${name} is not among the uploaded files: bundle what the function needs and upload that`;
}

/** A CommonJS module, so that it is evaluated where it is asked for, and not before. */
function throwMissing(specifier: string, code: string): string {
  const message = JSON.stringify(explainUnresolved(specifier));
  return `module.exports = undefined;\nthrow Object.assign(new Error(${message}), { code: ${JSON.stringify(code)} });\n`;
}

/**
 * A source map comment may carry a file: address, which esbuild would read from the disk. It obeys the last such
 * comment of a file: this one, empty.
 */
function hideSourceMapComment(source: string): string {
  if (!source.includes("sourceMappingURL")) return source;
  return `${source}\n//# sourceMappingURL=data:application/json,%7B%7D\n`;
}

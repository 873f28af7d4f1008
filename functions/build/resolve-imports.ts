import { posix } from "node:path";
import type { Loader, Plugin } from "esbuild";

/** Every path esbuild sees lives here, so that none of them can mean the disk. */
export const SOURCE_NAMESPACE = "bellhop";

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
        const found = /^\.\.?(\/|$)/.test(path) ? resolveImport(files, importer, path) : undefined;
        if (found === undefined) return { errors: [{ text: explainUnresolved(path) }] };
        return { path: found, namespace: SOURCE_NAMESPACE };
      });
      build.onLoad({ filter: /.*/ }, ({ path, namespace }) => {
        const source = namespace === SOURCE_NAMESPACE ? files.get(path) : undefined;
        const loader = LOADERS[posix.extname(path)];
        if (source === undefined) return { errors: [{ text: explainUnresolved(path) }] };
        if (loader === undefined) {
          return { errors: [{ text: `A source ends in one of ${Object.keys(LOADERS).join(" ")}` }] };
        }
        return { contents: loader === "json" ? source : hideSourceMapComment(source), loader };
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

/**
 * A source map comment may carry a file: address, which esbuild would read from the disk. It obeys the last such
 * comment of a file: this one, empty.
 */
function hideSourceMapComment(source: string): string {
  if (!source.includes("sourceMappingURL")) return source;
  return `${source}\n//# sourceMappingURL=data:application/json,%7B%7D\n`;
}

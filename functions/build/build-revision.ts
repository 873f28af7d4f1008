import type { BuildFailure, BuildOptions, Message } from "esbuild";
import { BellhopError, type FieldError } from "../../core/errors.ts";
import { compile } from "./compiler.ts";
import { inMemoryFiles, SOURCE_NAMESPACE } from "./resolve-imports.ts";
import { buildFailed, checkSourceFiles, type FieldOf, hashSourceFiles } from "./source-files.ts";

export const MAX_BUNDLE_BYTES = 5_000_000;
const MAX_REPORTED_ERRORS = 20;

export interface RevisionSource {
  /** Path → source; paths are relative, with forward slashes. */
  files: Record<string, string>;
  /** The file whose default export is the function. */
  entry: string;
  /** Whose upload it is: tenants' builds take turns. */
  tenant?: string;
  /** The field an error in a file is reported under; default `files.<path>`. */
  fieldOf?: FieldOf;
}

export interface BuiltRevision {
  /** sha256, hex, over the files and the entry: the same upload is the same revision. */
  contentHash: string;
  /** One script in CommonJS form: the body of a function of `(module, exports)`; at most 5 MB. */
  code: string;
  /** Source map v3 as JSON; `sources` are the paths of the upload. */
  sourceMap: string;
  entry: string;
}

/**
 * Makes one script of the uploaded files: TypeScript stripped, imports among the files bundled, names kept.
 * Nothing is read from the disk. Throws `build_failed` (422) with one field error per fault, its message starting
 * with `file:line:column` and the same three as properties.
 */
export async function buildRevision(input: RevisionSource): Promise<BuiltRevision> {
  const { entry, tenant = "", fieldOf = (path) => `files.${path}` } = input;
  const files = checkSourceFiles(input.files, entry, fieldOf);
  const { outputFiles } = await bundle(tenant, files, entry, fieldOf);
  const script = outputFiles.find(({ path }) => path.endsWith(".js"))?.text ?? "";
  // Kept by esbuild, and no syntax inside the function that the script becomes.
  const code = script.replace(/^#!/, "//");
  const bytes = Buffer.byteLength(code);
  if (bytes > MAX_BUNDLE_BYTES) {
    throw buildFailed(`The built script takes ${bytes} bytes; the most is ${MAX_BUNDLE_BYTES}.`);
  }
  if (!(await exportsOf(tenant, files, entry)).includes("default")) {
    const message = `${entry} has no default export: write export default async function (input, ctx) { … }`;
    throw buildFailed(message, [{ field: fieldOf(entry), message, file: entry }]);
  }
  const sourceMap = plainSources(outputFiles.find(({ path }) => path.endsWith(".map"))?.text ?? "{}", files);
  return { contentHash: hashSourceFiles(files, entry), code, sourceMap, entry };
}

function optionsFor(files: ReadonlyMap<string, string>, entry: string) {
  return {
    entryPoints: [entry],
    write: false as const,
    outfile: "/function.js",
    platform: "neutral" as const,
    target: "es2024",
    logLevel: "silent" as const,
    tsconfigRaw: "{}",
    nodePaths: [],
    plugins: [inMemoryFiles(files)],
  } satisfies BuildOptions;
}

/** The names a file exports; esbuild tells them of ES modules alone, so apart from the bundle. */
async function exportsOf(
  tenant: string,
  files: ReadonlyMap<string, string>,
  entry: string,
): Promise<string[]> {
  const { metafile } = await compile(tenant, { ...optionsFor(files, entry), format: "esm", metafile: true });
  return Object.values(metafile.outputs).flatMap((output) => output.exports);
}

async function bundle(tenant: string, files: ReadonlyMap<string, string>, entry: string, fieldOf: FieldOf) {
  try {
    return await compile(tenant, {
      ...optionsFor(files, entry),
      bundle: true,
      format: "cjs",
      sourcemap: "external",
      keepNames: true,
      legalComments: "none",
    });
  } catch (thrown) {
    if (thrown instanceof BellhopError) throw thrown;
    const { errors } = thrown as BuildFailure;
    const fields = errors.slice(0, MAX_REPORTED_ERRORS).map((error) => toFieldError(error, fieldOf));
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
    throw buildFailed(`The function does not build: ${fields[0]?.message ?? "unknown fault"}${more}`, fields);
  }
}

function toFieldError({ text, location }: Message, fieldOf: FieldOf): FieldError {
  const message = explain(text);
  if (!location) return { field: "files", message };
  const file = plainPath(location.file);
  const { line } = location;
  // esbuild counts bytes from 0, people count characters from 1.
  const column = Buffer.from(location.lineText).subarray(0, location.column).toString().length + 1;
  return { field: fieldOf(file), message: `${file}:${line}:${column}: ${message}`, file, line, column };
}

function explain(text: string): string {
  if (text.startsWith("Top-level await"))
    return "Top-level await is not supported: await inside the function";
  return text;
}

function plainPath(path: string): string {
  return path.startsWith(`${SOURCE_NAMESPACE}:`) ? path.slice(SOURCE_NAMESPACE.length + 1) : path;
}

/** The map with the upload's own paths and texts. */
function plainSources(text: string, files: ReadonlyMap<string, string>): string {
  const map = JSON.parse(text) as { sources?: string[]; sourcesContent?: (string | null)[] };
  const sources = (map.sources ?? []).map(plainPath);
  return JSON.stringify({ ...map, sources, sourcesContent: sources.map((path) => files.get(path) ?? null) });
}

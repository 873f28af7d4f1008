import { hashSources } from "../../core/domain/revision-hash.ts";
import type { FieldError } from "../../core/errors.ts";
import { compile } from "./compiler.ts";
import type { CompiledScript, CompileJob, SourceFault } from "./compiler-messages.ts";
import { findEntryFault } from "./entry-shapes.ts";
import { readLockedPackages } from "./packages/locked-packages.ts";
import { withoutMark } from "./packages/package-paths.ts";
import { SOURCE_NAMESPACE } from "./resolve-imports.ts";
import { buildFailed, checkSourceFiles, type FieldOf, fieldOfWhole } from "./source-files.ts";

export interface RevisionSource {
  /** Path → source; paths are relative, with forward slashes. */
  files: Record<string, string>;
  /** The file whose default export is the function. */
  entry: string;
  /** Whose upload it is: tenants' builds take turns. */
  tenant?: string;
  /** Where the packages of its lock file are fetched from; undefined: they are refused. */
  registry?: string | undefined;
  /** The field an error in a file is reported under; default `files.<path>`. */
  fieldOf?: FieldOf;
}

export interface BuiltRevision {
  /** sha256, hex, over the files and the entry: the same upload is the same revision. */
  contentHash: string;
  /** One script in CommonJS form: the body of a function of `(module, exports, require)`; at most 5 MB. */
  code: string;
  /** Source map v3 as JSON, without texts; `sources` are the paths of the upload. */
  sourceMap: string;
  entry: string;
}

/**
 * Makes one script of the uploaded files: TypeScript stripped, imports among the files bundled, names kept. One of more
 * than a million characters is minified but for its names. The packages of a lock file among them are fetched first.
 * Nothing is read from the disk. Throws `build_failed` (422) with one field error per fault, its message starting
 * with `file:line:column` and the same three as properties, `build_interrupted`, `build_overloaded` and `registry_unavailable` (503)
 * where the upload may be sent again.
 */
export async function buildRevision(input: RevisionSource): Promise<BuiltRevision> {
  const { entry, tenant = "", fieldOf = (path) => `files.${path}` } = input;
  const files = checkSourceFiles(input.files, entry, fieldOf);
  const packages = readLockedPackages(files, input.registry, fieldOf);
  const job = { files: [...files], entry, ...(packages.length > 0 ? { packages } : {}) };
  // A package's file is no field of the upload.
  const whole = fieldOfWhole(input.files, fieldOf);
  const script = await compileJob(tenant, job, (file) =>
    file !== undefined && files.has(file) ? fieldOf(file) : whole,
  );
  // Kept by esbuild, and no syntax inside the function that the script becomes.
  const code = script.code.replace(/^#!/, "//");
  const message = findEntryFault(entry, script, files);
  if (message !== undefined) throw buildFailed(message, [{ field: fieldOf(entry), message, file: entry }]);
  const sourceMap = plainSources(script.map || "{}");
  return { contentHash: hashSources(files, entry, packages.length > 0), code, sourceMap, entry };
}

/** Of a file, if it is one's fault. */
type FieldOfFault = (file?: string) => string;

async function compileJob(tenant: string, job: CompileJob, fieldOf: FieldOfFault): Promise<CompiledScript> {
  const compiled = await compile(tenant, job);
  if ("script" in compiled) return compiled.script;
  const fields = compiled.faults.map((fault) => toFieldError(fault, fieldOf));
  const more = compiled.count > 1 ? ` (and ${compiled.count - 1} more)` : "";
  throw buildFailed(`The function does not build: ${fields[0]?.message ?? "unknown fault"}${more}`, fields);
}

function toFieldError({ text: given, place }: SourceFault, fieldOf: FieldOfFault): FieldError {
  const text = given.replace(/"(bellhop[^":]*:[^"]*)"/g, (_, path: string) => `"${plainPath(path)}"`);
  if (!place) return { field: fieldOf(), message: text };
  const file = plainPath(place.file);
  const { line, column } = place;
  if (line === undefined || column === undefined)
    return { field: fieldOf(file), message: `${file}: ${text}`, file };
  return { field: fieldOf(file), message: `${file}:${line}:${column}: ${text}`, file, line, column };
}

/** With what stands for a module that is missing: `bellhop-MODULE_NOT_FOUND:`. */
const OWN_NAMESPACE = new RegExp(`^${SOURCE_NAMESPACE}(?:-[A-Z_]+)?:`);

function plainPath(path: string): string {
  return withoutMark(path.replace(OWN_NAMESPACE, ""));
}

/** The map with the upload's own paths. */
function plainSources(text: string): string {
  const map = JSON.parse(text) as { sources?: string[] };
  return JSON.stringify({ ...map, sources: (map.sources ?? []).map(plainPath) });
}

/**
 * From a file or a folder on the author's machine to what is uploaded. Files that import each other alone go as they are,
 * so that errors and the console show them. What imports packages is bundled here, into one file that is not minified.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import type { BuildFailure, Message, Metafile } from "esbuild";
import { Failure, usageFailure } from "../failure.ts";
import { type Esbuild, loadEsbuild } from "./load-esbuild.ts";

export interface Source {
  /** Where the paths of files begin. */
  root: string;
  files: Record<string, string>;
  entry: string;
  /** The author's own files that it is made of, by their absolute paths. */
  inputs: string[];
  /** What it takes when it is built. */
  builtBytes: number | undefined;
  /** Of npm, that are part of it. */
  packages: string[];
  warnings: string[];
}

const ENTRY_NAMES = ["index.ts", "index.tsx", "index.js", "index.mjs", "main.ts", "worker.ts"];
const ENTRY_FOLDERS = ["", "src"];
const SOURCE_NAMES = /\.(tsx?|mts|jsx?|mjs|json)$/;
/** Of an upload. */
const MAX_FILES = 100;

export async function readSource(path: string): Promise<Source> {
  const { root, entry } = await findEntry(path);
  const esbuild = await loadEsbuild(root);
  return esbuild ? await bundle(esbuild, root, entry) : await readPlainly(root, entry, path);
}

/** Names what it is by: the same files, the same hashes as the API shows. */
export function hashFiles(files: Record<string, string>): Record<string, { sha256: string; bytes: number }> {
  return Object.fromEntries(
    Object.entries(files).map(([path, text]) => [
      path,
      { sha256: createHash("sha256").update(text).digest("hex"), bytes: Buffer.byteLength(text) },
    ]),
  );
}

async function findEntry(path: string): Promise<{ root: string; entry: string }> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw usageFailure(`There is no file or folder ${path}.`);
  if (found.isFile()) return { root: dirname(resolve(path)), entry: basename(path) };
  for (const folder of ENTRY_FOLDERS)
    for (const name of ENTRY_NAMES) {
      const entry = join(folder, name);
      if (await stat(join(path, entry)).catch(() => undefined)) return { root: resolve(path), entry };
    }
  throw usageFailure(
    `${path} holds no ${ENTRY_NAMES.slice(0, -1).join(", ")} or ${ENTRY_NAMES.at(-1)}.`,
    "Name the file instead.",
  );
}

async function bundle(esbuild: Esbuild, root: string, entry: string): Promise<Source> {
  const { outputFiles, metafile, warnings } = await esbuild
    .build({
      absWorkingDir: root,
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      platform: "node",
      target: "es2024",
      // Types alone, which are gone when it is built.
      external: ["bellhop"],
      logLevel: "silent",
      outfile: "bundle.js",
    })
    .catch((error: BuildFailure) => {
      throw buildFailure(error.errors ?? [], error);
    });
  const inputs = Object.keys(metafile.inputs);
  const packages = [...new Set(inputs.flatMap((input) => packageOf(input) ?? []))].sort();
  const own = inputs.filter((input) => packageOf(input) === undefined).map((input) => resolve(root, input));
  const { text } = outputFiles[0]!;
  const builtBytes = Buffer.byteLength(text);
  const said = warnings.map(({ text, location }) => [placeOf(location), text].filter(Boolean).join(": "));
  if (inputs.length <= MAX_FILES && Object.entries(metafile.inputs).every(canBeSentAsItIs)) {
    const files = await readFiles(root, inputs);
    return { root, files, entry: toPosix(entry), inputs: own, builtBytes, packages, warnings: said };
  }
  const name = `${basename(entry, extname(entry))}.js`;
  return { root, files: { [name]: text }, entry: name, inputs: own, builtBytes, packages, warnings: said };
}

/** Of the author's folder, and finds what it imports by paths alone, as the API does. */
function canBeSentAsItIs([path, { imports }]: [string, Metafile["inputs"][string]]): boolean {
  if (path.startsWith("..") || path.includes("node_modules/")) return false;
  return imports.every(({ external, original }) => external || /^\.\.?\//.test(original ?? ""));
}

/** Of `node_modules/@scope/name/lib/x.js`. */
function packageOf(input: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*\/node_modules\/)/.exec(input)?.[1];
}

/** Without a bundler: one file, or all of a folder. */
async function readPlainly(root: string, entry: string, path: string): Promise<Source> {
  const isFolder = resolve(path) === root;
  const names = isFolder ? await listSources(root) : [entry];
  if (names.length > MAX_FILES)
    throw usageFailure(
      `${path} holds more than ${MAX_FILES} files of source.`,
      "To bundle them, run npm install --save-dev esbuild.",
    );
  const warnings = [
    "esbuild is not installed: files are uploaded unchanged, and npm packages are not bundled.",
  ];
  const files = await readFiles(root, names);
  const inputs = names.map((name) => resolve(root, name));
  return { root, files, entry: toPosix(entry), inputs, builtBytes: undefined, packages: [], warnings };
}

async function listSources(root: string): Promise<string[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  return found
    .filter((each) => each.isFile() && SOURCE_NAMES.test(each.name))
    .map((each) => relative(root, join(each.parentPath, each.name)))
    .filter(
      (name) =>
        !/(^|\/)(node_modules|\.)|\.test\.|\.d\.ts$|^(package(-lock)?|tsconfig)\.json$/.test(toPosix(name)),
    );
}

async function readFiles(root: string, names: readonly string[]): Promise<Record<string, string>> {
  const files = await Promise.all(
    names.map(async (name) => [toPosix(name), await readFile(join(root, name), "utf8")] as const),
  );
  return Object.fromEntries(files);
}

const toPosix = (path: string) => path.split(sep).join("/");

function buildFailure(errors: readonly Message[], cause: unknown): Failure {
  const details = errors.flatMap(({ text, location }) => [
    [placeOf(location), text].filter(Boolean).join(": "),
    ...(location ? [`  ${location.lineText}`, `  ${" ".repeat(location.column)}^`] : []),
  ]);
  if (errors.length === 0) return new Failure(`The source could not be bundled: ${String(cause)}`, { cause });
  const missing = errors.some(({ text }) => text.startsWith("Could not resolve"));
  return new Failure("The source does not build.", {
    code: "build_failed",
    details,
    hint: missing ? "Install the missing package with npm install, or fix the path." : undefined,
  });
}

function placeOf(location: Message["location"]): string | undefined {
  return location ? `${location.file}:${location.line}:${location.column + 1}` : undefined;
}

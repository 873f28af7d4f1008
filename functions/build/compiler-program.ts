/**
 * The compiler's process: a child of an API, in a process group with esbuild's own process, which it starts. It gets
 * sources and answers scripts, holds no secret, and ends with the API.
 */
import { spawnSync } from "node:child_process";
import { SourceMap, type SourceMapPayload } from "node:module";
import { type BuildOptions, build, type Message, transform } from "esbuild";
import { childrenOf, programOf } from "../../core/processes/process-tree.ts";
import { awaitsAtTop, buildAwaiting } from "./awaiting-script.ts";
import { isBuildFailure } from "./build-failure.ts";
import {
  BUILD_FETCHED,
  type CompiledScript,
  type CompileJob,
  type CompilerMessage,
  MAX_BUNDLE_BYTES,
  type SourceFault,
} from "./compiler-messages.ts";
import type { RewrittenSource } from "./computed-imports.ts";
import { definesOf, placesOf } from "./entry-shapes.ts";
import { fetchPackages, PackageFault, RegistryUnavailable } from "./packages/fetch-packages.ts";
import type { InstalledPackages } from "./packages/installed-packages.ts";
import { LOCK_FILE } from "./packages/locked-packages.ts";
import { withoutMark } from "./packages/package-paths.ts";
import { inMemoryFiles, NOWHERE, type Rewritten, SOURCE_NAMESPACE } from "./resolve-imports.ts";
import { readScript, ScriptTooLarge } from "./script-output.ts";
import { isStrict, makeStrict } from "./strict-script.ts";

/** Beyond it esbuild ends itself, however fast it grew. What builds 10 MB of source to 5 MB takes is a half of it. */
const MAX_DATA_BYTES = Number(process.argv[2]);
const MAX_REPORTED_FAULTS = 20;
/** A script that is longer is written with short syntax and without white space. Its names stay. */
const PLAIN_BYTES = 1_000_000;

process.on("disconnect", () => process.kill(-process.pid, "SIGKILL"));
let buildFetched = () => {};
process.on("message", (given) => {
  if (given === BUILD_FETCHED) buildFetched();
  else void answer(given as CompileJob);
});
// Starts esbuild.
await transform("");
const esbuildPid = childrenOf(process.pid).find((child) => programOf(child) === "esbuild");
if (esbuildPid !== undefined) {
  // Where the system has no `prlimit`, the watch over its memory stands alone.
  spawnSync("prlimit", ["--pid", String(esbuildPid), `--data=${MAX_DATA_BYTES}`], { stdio: "ignore" });
}
say({ t: "ready", ...(esbuildPid === undefined ? {} : { esbuildPid }) });

function say(message: CompilerMessage): void {
  process.send?.(message);
}

async function answer(job: CompileJob): Promise<void> {
  const rewritten: Rewritten = new Map();
  try {
    say({ t: "built", script: await compile(job, rewritten) });
  } catch (thrown) {
    if (thrown instanceof RegistryUnavailable) return say({ t: "unavailable", why: thrown.message });
    if (thrown instanceof PackageFault) {
      const fault = { text: thrown.message, place: { file: LOCK_FILE } };
      return say({ t: "refused", faults: [fault], count: 1 });
    }
    if (thrown instanceof ScriptTooLarge) return say({ t: "tooLarge", bytes: thrown.bytes });
    if (!isBuildFailure(thrown)) return say({ t: "broken" });
    const reported = thrown.errors.slice(0, MAX_REPORTED_FAULTS);
    const faults = reported.map((error) => toFault(error, rewritten));
    say({ t: "refused", faults, count: thrown.errors.length });
  }
}

async function compile(job: CompileJob, rewritten: Rewritten): Promise<CompiledScript> {
  const { entry } = job;
  const files = new Map(job.files);
  const installed = await install(job, files);
  const options = optionsFor(files, entry, rewritten, installed);
  const sources = [...files.values()];
  const isLarge = sources.reduce((sum, source) => sum + source.length, 0) > PLAIN_BYTES;
  const keepsStores = sources.some((source) => source.includes("async_hooks"));
  const script = await bundleAsNeeded(options, entry, { isMinified: isLarge, keepsStores }, installed);
  // esbuild tells the exports of ES modules alone, so apart from the bundle.
  const { metafile } = await build({ ...options, format: "esm", metafile: true });
  const outputs = Object.values(metafile.outputs);
  const names = outputs.flatMap((output) => output.exports);
  const isCommonJs = outputs.some(
    ({ entryPoint }) => entryPoint !== undefined && metafile.inputs[entryPoint]?.format === "cjs",
  );
  return { ...script, exports: names, isCommonJs };
}

/** Loaded only here: it takes time, and most uploads ask for no packages. */
async function install(
  { packages }: CompileJob,
  files: ReadonlyMap<string, string>,
): Promise<InstalledPackages | undefined> {
  if (packages === undefined) return undefined;
  const { InstalledPackages } = await import("./packages/installed-packages.ts");
  const fetched = await fetchPackages(packages);
  // Registries take their time, and others build meanwhile.
  const turn = new Promise<void>((resolve) => {
    buildFetched = resolve;
  });
  say({ t: "fetched" });
  await turn;
  return new InstalledPackages(files, fetched);
}

type GivenOptions = SourceOptions & { supported: Record<string, boolean> };
type Script = Omit<CompiledScript, "exports" | "isCommonJs">;

interface Manner {
  isMinified: boolean;
  /** For AsyncLocalStorage. */
  keepsStores: boolean;
}

/** Once, and again where it is too long, or where what was read of packages may keep stores. Throws `ScriptTooLarge`. */
async function bundleAsNeeded(
  options: SourceOptions,
  entry: string,
  manner: Manner,
  installed: InstalledPackages | undefined,
): Promise<Script> {
  const given = { ...options, supported: supportedBy(manner.keepsStores) };
  const script = await bundle(given, entry, manner.isMinified).catch((thrown: unknown) => {
    if (thrown instanceof ScriptTooLarge && !manner.isMinified) return undefined;
    throw thrown;
  });
  const keepsStores = manner.keepsStores || installed?.namesAsyncHooks === true;
  if (script !== undefined && keepsStores === manner.keepsStores) return script;
  const isMinified = manner.isMinified || script === undefined;
  return await bundleAsNeeded(options, entry, { isMinified, keepsStores }, installed);
}

async function bundle(given: GivenOptions, entry: string, isMinified: boolean): Promise<Script> {
  const maxBytes = isMinified ? MAX_BUNDLE_BYTES : PLAIN_BYTES;
  const options = {
    ...given,
    bundle: true,
    // They stand in the upload.
    sourcesContent: false,
    keepNames: true,
    minifySyntax: isMinified,
    minifyWhitespace: isMinified,
    legalComments: "none" as const,
  };
  try {
    const inScript = { format: "cjs", sourcemap: "external", metafile: true } as const;
    const { outputFiles, metafile } = await build({ ...options, ...inScript });
    const script = readScript(outputFiles, maxBytes);
    return isStrict(metafile) ? makeStrict(script) : script;
  } catch (thrown) {
    if (!isBuildFailure(thrown) || !awaitsAtTop(thrown)) throw thrown;
    return await buildAwaiting(options, entry, maxBytes);
  }
}

type SourceOptions = ReturnType<typeof optionsFor>;

function optionsFor(
  files: ReadonlyMap<string, string>,
  entry: string,
  rewritten: Rewritten,
  installed: InstalledPackages | undefined,
) {
  return {
    entryPoints: [entry],
    write: false as const,
    outfile: "/function.js",
    platform: "neutral" as const,
    target: "es2024",
    logLevel: "silent" as const,
    absWorkingDir: NOWHERE,
    tsconfigRaw: "{}",
    nodePaths: [],
    define: { ...definesOf(files.values()), ...placesOf(entry) },
    plugins: [inMemoryFiles(files, rewritten, installed)],
  } satisfies BuildOptions;
}

/**
 * `import()` becomes `require`, which the sandbox has. Where AsyncLocalStorage may be used, `await` is written out with
 * promises: V8's own goes past what keeps the stores (functions/guest/node/modules/async_hooks.ts).
 */
function supportedBy(keepsStores: boolean): Record<string, boolean> {
  const written = { "async-await": false, "async-generator": false, "for-await": false };
  return { "dynamic-import": false, ...(keepsStores ? written : {}) };
}

function toFault({ text, location }: Message, rewritten: Rewritten): SourceFault {
  if (!location) return { text };
  const { file, line, lineText } = location;
  // esbuild counts bytes from 0, people count characters from 1.
  const column = Buffer.from(lineText).subarray(0, location.column).toString().length;
  const source = file.startsWith(`${SOURCE_NAMESPACE}:`)
    ? rewritten.get(withoutMark(file.slice(SOURCE_NAMESPACE.length + 1)))
    : undefined;
  const origin = source && findOrigin(source, line - 1, column);
  return {
    text,
    place: { file, line: (origin?.line ?? line - 1) + 1, column: (origin?.column ?? column) + 1 },
  };
}

/** The place in the source as it was uploaded. Both count from 0. */
function findOrigin({ map }: RewrittenSource, line: number, column: number) {
  const entry = new SourceMap(JSON.parse(map) as SourceMapPayload).findEntry(line, column);
  return "originalLine" in entry ? { line: entry.originalLine, column: entry.originalColumn } : undefined;
}

/**
 * The compiler's process: a child of an API, in a process group with esbuild's own process, which it starts. It gets
 * sources and answers scripts, holds no secret, and ends with the API.
 */
import { spawnSync } from "node:child_process";
import { type BuildFailure, type BuildOptions, build, type Message, transform } from "esbuild";
import { childrenOf, programOf } from "../../core/processes/process-tree.ts";
import { awaitsAtTop, buildAwaiting } from "./awaiting-script.ts";
import type { CompiledScript, CompileJob, CompilerMessage, SourceFault } from "./compiler-messages.ts";
import { definesOf } from "./entry-shapes.ts";
import { hideDisk, inMemoryFiles } from "./resolve-imports.ts";

/** Beyond it esbuild ends itself, however fast it grew. What builds 10 MB of source to 5 MB takes is a half of it. */
const MAX_DATA_BYTES = Number(process.argv[2]);
const MAX_REPORTED_FAULTS = 20;
/** A script that is longer is written with short syntax and without white space. Its names stay. */
const PLAIN_CHARS = 1_000_000;

process.on("disconnect", () => process.kill(-process.pid, "SIGKILL"));
process.on("message", (job) => void answer(job as CompileJob));
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
  try {
    say({ t: "built", script: await compile(job) });
  } catch (thrown) {
    if (!isBuildFailure(thrown)) return say({ t: "broken" });
    const faults = hideDisk(thrown.errors.map(toFault));
    say({ t: "refused", faults: faults.slice(0, MAX_REPORTED_FAULTS), count: faults.length });
  }
}

async function compile({ files, entry }: CompileJob): Promise<CompiledScript> {
  const options = optionsFor(new Map(files), entry);
  const given = { ...options, supported: supportedBy(files) };
  const isLarge = files.reduce((sum, [, source]) => sum + source.length, 0) > PLAIN_CHARS;
  let script = await bundle(given, entry, isLarge);
  if (!isLarge && script.code.length > PLAIN_CHARS) script = await bundle(given, entry, true);
  // esbuild tells the exports of ES modules alone, so apart from the bundle.
  const { metafile } = await build({ ...options, format: "esm", metafile: true });
  const names = Object.values(metafile.outputs).flatMap((output) => output.exports);
  return { ...script, exports: names };
}

async function bundle(
  given: SourceOptions & { supported: Record<string, boolean> },
  entry: string,
  isMinified: boolean,
): Promise<Omit<CompiledScript, "exports">> {
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
    const { outputFiles } = await build({ ...options, format: "cjs", sourcemap: "external" });
    const textOf = (end: string) => outputFiles.find(({ path }) => path.endsWith(end))?.text ?? "";
    return { code: textOf(".js"), map: textOf(".map") };
  } catch (thrown) {
    if (!isBuildFailure(thrown) || !awaitsAtTop(thrown)) throw thrown;
    return await buildAwaiting(options, entry);
  }
}

type SourceOptions = ReturnType<typeof optionsFor>;

function optionsFor(files: ReadonlyMap<string, string>, entry: string) {
  return {
    entryPoints: [entry],
    write: false as const,
    outfile: "/function.js",
    platform: "neutral" as const,
    target: "es2024",
    logLevel: "silent" as const,
    // Else a pattern that matches nothing on the disk would build, and one that does would not.
    logOverride: { "empty-glob": "error" as const },
    tsconfigRaw: "{}",
    nodePaths: [],
    define: definesOf(files.values()),
    plugins: [inMemoryFiles(files)],
  } satisfies BuildOptions;
}

/**
 * `import()` becomes `require`, which the sandbox has. Where AsyncLocalStorage may be used, `await` is written out with
 * promises: V8's own goes past what keeps the stores (functions/guest/node/modules/async_hooks.ts).
 */
function supportedBy(files: CompileJob["files"]): Record<string, boolean> {
  const keepsStores = files.some(([, source]) => source.includes("async_hooks"));
  const written = { "async-await": false, "async-generator": false, "for-await": false };
  return { "dynamic-import": false, ...(keepsStores ? written : {}) };
}

function isBuildFailure(thrown: unknown): thrown is BuildFailure {
  return thrown instanceof Error && "errors" in thrown && Array.isArray(thrown.errors);
}

function toFault({ text, location }: Message): SourceFault {
  if (!location) return { text };
  const { file, line, lineText } = location;
  // esbuild counts bytes from 0, people count characters from 1.
  const column = Buffer.from(lineText).subarray(0, location.column).toString().length + 1;
  return { text, place: { file, line, column } };
}

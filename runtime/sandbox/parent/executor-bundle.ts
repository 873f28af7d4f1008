/**
 * The executor as two files, its program and what loads that: so it starts faster, and nothing else of the sources is
 * readable to it. Bundling takes some 50 ms, so the bundle is kept, with the names of the sources it was made of:
 * it serves while those stay the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAtOnce } from "../../../core/processes/build-at-once.ts";
import { isOwn } from "../../../core/processes/own-folder.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = "runtime/sandbox/child/main.ts";
const LOADER = "runtime/sandbox/child/loader.ts";
const KEPT = join(ROOT, ".cache/executor/executor.json");

/** Texts of CommonJS, in ASCII. */
export interface ExecutorBundle {
  loader: string;
  program: string;
  /** Of a rehearsed program. */
  code?: CompiledCode;
}

/** What V8 compiled of the program, in a file. */
export interface CompiledCode {
  path: string;
  sha256: string;
}

interface KeptBundle extends Omit<ExecutorBundle, "code"> {
  /** Paths from the root. */
  sources: string[];
  mark: string;
}

let assumed: ExecutorBundle | undefined;

/** Takes one for the bundle from now on: whoever made the program of the same sources has read it. */
export function assumeExecutorBundle(bundle: ExecutorBundle): void {
  assumed = bundle;
}

/** Made anew where a source has changed. Where it cannot be kept it is made at each start. */
export function readExecutorBundle(keptPath = KEPT): ExecutorBundle {
  const kept = assumed ?? readKept(keptPath);
  if (kept !== undefined) return kept;
  const { sources, mark, ...bundle } = makeBundle();
  try {
    mkdirSync(dirname(keptPath), { recursive: true });
    // Of two workers that start together each writes the same.
    const draft = `${keptPath}.${process.pid}`;
    writeFileSync(draft, JSON.stringify({ sources, mark, ...bundle }));
    renameSync(draft, keptPath);
  } catch {
    // A root that is read-only.
  }
  return bundle;
}

/**
 * Undefined: it is not what was kept of this program, which V8 would not notice; or it is gone, as temporary files are
 * cleared away, or another user's.
 */
export function readCompiledCode({ path, sha256 }: CompiledCode): Buffer | undefined {
  if (!isOwn(path)) return undefined;
  const code = readFileSync(path);
  return sha256Of(code) === sha256 ? code : undefined;
}

export const sha256Of = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

function readKept(path: string): ExecutorBundle | undefined {
  try {
    const { sources, mark, loader, program } = JSON.parse(readFileSync(path, "utf8")) as KeptBundle;
    return mark === markOf(sources, { loader, program }) ? { loader, program } : undefined;
  } catch {
    return undefined;
  }
}

function makeBundle(): KeptBundle {
  const build = (entry: string) =>
    buildAtOnce({
      absWorkingDir: ROOT,
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      // Node has one loaded sooner than an ES module, and modules of its own when they are first asked for.
      format: "cjs",
      platform: "node",
      target: "node24",
      minifyWhitespace: true,
      logLevel: "silent",
    });
  const [loader, program] = [build(LOADER), build(PROGRAM)];
  const sources = [loader, program].flatMap(({ metafile }) => Object.keys(metafile.inputs)).sort();
  const bundle = { loader: loader.outputFiles[0]!.text, program: program.outputFiles[0]!.text };
  return { ...bundle, sources, mark: markOf(sources, bundle) };
}

/** Of what the sources hold and of the code made of them, which a crash may have torn. */
function markOf(sources: string[], { loader, program }: ExecutorBundle): string {
  const hash = createHash("sha256").update(loader).update(`\0${program}`);
  for (const source of sources) hash.update(`${source}\0`).update(readFileSync(join(ROOT, source)));
  return hash.digest("hex");
}

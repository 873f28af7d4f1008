/**
 * The executor as one file: it starts faster, and nothing else of the sources is readable to it. Bundling takes some
 * 50 ms, so the bundle is kept; its first line names the sources it was made of, and it serves while they stay the same.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MAIN = "runtime/sandbox/child/main.ts";
const KEPT = join(ROOT, ".cache/executor/executor.mjs");
const OPENING = "// made of ";

interface Opening {
  /** Paths from the root. */
  sources: string[];
  mark: string;
}

let assumed: string | undefined;

/** Takes a text for the bundle from now on: whoever made the program of the same sources has read it. */
export function assumeExecutorBundle(text: string): void {
  assumed = text;
}

/** The text of the bundle; made anew where a source has changed. Where it cannot be kept it is made at each start. */
export function readExecutorBundle(keptPath = KEPT): string {
  const kept = assumed ?? readKept(keptPath);
  if (kept !== undefined) return kept;
  const bundle = makeBundle();
  try {
    mkdirSync(dirname(keptPath), { recursive: true });
    // Of two workers that start together each writes the same.
    const draft = `${keptPath}.${process.pid}`;
    writeFileSync(draft, bundle);
    renameSync(draft, keptPath);
  } catch {
    // A root that is read-only.
  }
  return bundle;
}

function readKept(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    const end = text.indexOf("\n");
    const { sources, mark } = JSON.parse(text.slice(OPENING.length, end)) as Opening;
    return mark === markOf(sources, text.slice(end + 1)) ? text : undefined;
  } catch {
    return undefined;
  }
}

function makeBundle(): string {
  const { buildSync } = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: [MAIN],
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "silent",
  });
  const sources = Object.keys(metafile.inputs).sort();
  const code = outputFiles[0]!.text;
  const opening: Opening = { sources, mark: markOf(sources, code) };
  return `${OPENING}${JSON.stringify(opening)}\n${code}`;
}

/** Of what the sources hold and of the code made of them, which a crash may have torn. */
function markOf(sources: string[], code: string): string {
  const hash = createHash("sha256").update(code);
  for (const source of sources) hash.update(`${source}\0`).update(readFileSync(join(ROOT, source)));
  return hash.digest("hex");
}

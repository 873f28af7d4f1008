/**
 * The console as a browser loads it: bundled by esbuild, compressed, and kept in `.cache/console` for as long as the
 * sources it was made of stay the same. Setting the project up makes it, and so does the image's build; where it is
 * missing it is made when it is first asked for.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { buildAtOnce } from "../../core/processes/build-at-once.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRY = "console/main.tsx";
const KEPT = join(ROOT, ".cache/console/bundle.json");

export interface ConsoleFile {
  contentType: string;
  /** As it is, and compressed. */
  identity: Buffer;
  br: Buffer;
  gzip: Buffer;
}

export interface ConsoleBundle {
  /** What the page loads at once; the rest follows by itself where it is needed. */
  script: string;
  style: string;
  files: Map<string, ConsoleFile>;
  /** By name, what each loads with it: without what is loaded on demand. */
  imports: Record<string, string[]>;
}

interface KeptBundle extends Pick<ConsoleBundle, "script" | "style" | "imports"> {
  /** Paths from the root. */
  sources: string[];
  mark: string;
  /** Name → content, in base64. */
  files: Record<string, string>;
  compressed: Record<string, { br: string; gzip: string }>;
}

const TYPES: Record<string, string> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

export function readConsoleBundle(keptPath = KEPT): ConsoleBundle {
  const kept = readKept(keptPath) ?? keep(keptPath, makeBundle());
  const { script, style, imports } = kept;
  const files = Object.entries(kept.files).map(([name, content]): [string, ConsoleFile] => {
    const { br, gzip } = kept.compressed[name]!;
    return [
      name,
      {
        contentType: TYPES[extname(name)]!,
        identity: Buffer.from(content, "base64"),
        br: Buffer.from(br, "base64"),
        gzip: Buffer.from(gzip, "base64"),
      },
    ];
  });
  return { script, style, imports, files: new Map(files) };
}

function readKept(path: string): KeptBundle | undefined {
  try {
    const kept = JSON.parse(readFileSync(path, "utf8")) as KeptBundle;
    return kept.mark === markOf(kept.sources, kept.files) ? kept : undefined;
  } catch {
    return undefined;
  }
}

function keep(path: string, bundle: KeptBundle): KeptBundle {
  try {
    mkdirSync(dirname(path), { recursive: true });
    // Of two processes that start together each writes the same.
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(bundle));
    renameSync(draft, path);
  } catch {
    // A root that is read-only.
  }
  return bundle;
}

function makeBundle(): KeptBundle {
  const { outputFiles, metafile } = buildAtOnce({
    ...{ absWorkingDir: ROOT, entryPoints: [ENTRY], outdir: "out", write: false, metafile: true },
    ...{ bundle: true, splitting: true, minify: true, format: "esm", platform: "browser" },
    ...{ target: "es2022", jsx: "automatic", jsxImportSource: "preact", logLevel: "silent" },
    ...{ entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", legalComments: "none" },
    // What was written for React runs on Preact.
    alias: { react: "preact/compat", "react-dom": "preact/compat" },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const contents = outputFiles.map(({ path, contents }): [string, Buffer] => [
    basename(path),
    Buffer.from(contents),
  ]);
  const files = Object.fromEntries(contents.map(([name, bytes]) => [name, bytes.toString("base64")]));
  const sources = Object.keys(metafile.inputs).sort();
  const outputs = Object.entries(metafile.outputs);
  const [script, entry] = outputs.find(([, { entryPoint }]) => entryPoint === ENTRY)!;
  return {
    ...{ script: basename(script), style: basename(entry.cssBundle!), sources },
    imports: Object.fromEntries(
      outputs.map(([name, { imports }]) => [
        basename(name),
        imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => basename(path)),
      ]),
    ),
    mark: markOf(sources, files),
    files,
    compressed: Object.fromEntries(contents.map(([name, bytes]) => [name, compress(bytes)])),
  };
}

function compress(bytes: Buffer): { br: string; gzip: string } {
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength };
  return {
    br: brotliCompressSync(bytes, { params }).toString("base64"),
    gzip: gzipSync(bytes, { level: 9 }).toString("base64"),
  };
}

/** Of what the sources hold and of what was made of them, which a crash may have torn. */
function markOf(sources: string[], files: KeptBundle["files"]): string {
  const hash = createHash("sha256").update(JSON.stringify(files));
  for (const source of sources) hash.update(`${source}\0`).update(readFileSync(join(ROOT, source)));
  return hash.digest("hex");
}

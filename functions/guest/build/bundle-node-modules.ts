/**
 * Each node: module as a script of its own, which an isolate evaluates when it is first asked for: what is written in
 * node/modules/ and what packages bring, completed by stubs for every name that Node itself exports there.
 */
import { globSync, readFileSync } from "node:fs";
import { builtinModules, isBuiltin } from "node:module";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { type Shape, shapeOf } from "./node-shapes.ts";

const FOLDER = fileURLToPath(new URL("../node/modules", import.meta.url));

/** What says for itself all that it has. */
const NOT_COMPLETED = new Set(["process", "console"]);

/** What packages ask for under another name. */
const ALIASES: Record<string, string> = {
  "process/": "node:process",
  "string_decoder/": "node:string_decoder",
  "util/": "node:util",
};
const REPLACED: Record<string, string> = {
  "abort-controller": "abort-controller.ts",
  "call-bind/callBound": "natives/call-bound.cjs",
  "is-nan": "natives/is-nan.cjs",
  "object-is/polyfill": "natives/object-is.cjs",
  "object.assign/polyfill": "natives/object-assign.cjs",
};

/**
 * It looks at every built-in while it is loaded, and a function has no Atomics. The constructor of functions may be an
 * accessor, which also tells async ones (node/modules/internal/async-functions.ts).
 */
const INSPECT_CHANGES = [
  ['"Atomics","JSON"', '"JSON"'],
  ['const s=pt(t,"constructor");', 'const d=pt(t,"constructor"),s=d?.get?{value:i.constructor}:d;'],
] as const;

const changedInspect: Plugin = {
  name: "changed-inspect",
  setup(on) {
    on.onLoad({ filter: /node-inspect-extracted[/\\]dist[/\\]inspect\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const missing = INSPECT_CHANGES.filter(([before]) => !source.includes(before));
      if (missing.length > 0) return { errors: [{ text: `${path} has changed: no ${missing.join(", ")}` }] };
      const contents = INSPECT_CHANGES.reduce((text, [before, by]) => text.replace(before, by), source);
      return { contents };
    });
  },
};

/** Modules meet by `require` in the isolate, so none is held twice. */
const apart: Plugin = {
  name: "node-modules-apart",
  setup(on) {
    on.onResolve({ filter: /.*/ }, ({ path, kind }) => {
      if (kind === "entry-point") return undefined;
      const known = ALIASES[path];
      if (known !== undefined) return { path: known, external: true };
      const replaced = REPLACED[path];
      if (replaced !== undefined) return { path: join(FOLDER, "packages", replaced) };
      if (isBuiltin(path) || path.startsWith("internal:")) return { path, external: true };
      return undefined;
    });
  },
};

/** Name, without `node:`, → script: an expression whose value is a function of (module, exports, require). */
export async function bundleNodeModules(): Promise<Record<string, string>> {
  const files = globSync("**/*.ts", { cwd: FOLDER, exclude: ["packages/**", "**/*.d.ts"] });
  const { outputFiles } = await build({
    entryPoints: files.map((file) => join(FOLDER, file)),
    outdir: "/",
    outbase: FOLDER,
    bundle: true,
    write: false,
    format: "cjs",
    platform: "neutral",
    target: "node24",
    mainFields: ["module", "main"],
    conditions: ["module", "import"],
    // Names are kept, for stacks and `constructor.name`.
    minifyWhitespace: true,
    minifySyntax: true,
    charset: "ascii",
    legalComments: "none",
    logLevel: "silent",
    define: { BUILTIN_MODULES: JSON.stringify(builtinModules) },
    plugins: [apart, changedInspect],
  });
  const scripts: Record<string, string> = {};
  for (const { path, text } of outputFiles) {
    const name = toName(relative("/", path));
    scripts[name] = wrap(`${text};module.exports=module.exports.default;${completion(name)}`);
  }
  for (const name of builtinModules.map((one) => one.replace(/^node:/, ""))) {
    scripts[name] ??= wrap(completion(name));
  }
  return scripts;
}

/** `internal/x.js` → `internal:x`. */
function toName(file: string): string {
  const stem = file.slice(0, -".js".length);
  return stem.startsWith("internal/") ? `internal:${basename(stem)}` : stem;
}

function completion(name: string): string {
  if (name.startsWith("internal:") || NOT_COMPLETED.has(name)) return "";
  const shape: Shape = shapeOf(name);
  return `require("internal:stubs").complete(module.exports,${JSON.stringify(`node:${name}`)},${JSON.stringify(shape)});`;
}

function wrap(code: string): string {
  return `(function(module,exports,require){${code}\n})`;
}

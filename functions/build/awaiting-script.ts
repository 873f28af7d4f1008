/**
 * The script of an upload that awaits at its top level, which a script in CommonJS form cannot: the bundle as an ES
 * module without imports or exports, inside an async function whose promise is `module.ready`.
 */
import { isBuiltin } from "node:module";
import { type BuildFailure, type BuildOptions, build, type Plugin, transform } from "esbuild";
import { AWAITING_ENTRY } from "../guest/limits.ts";
import { readScript, requireSize } from "./script-output.ts";

const REQUIRED = "required";

/** `import` of a node: module as `require`: an import statement stands at the top of a module alone. */
const requireBuiltins: Plugin = {
  name: "require-builtins",
  setup(on) {
    on.onResolve({ filter: /.*/ }, ({ path, namespace }) => {
      if (!isBuiltin(path)) return undefined;
      return namespace === REQUIRED ? { path, external: true } : { path, namespace: REQUIRED };
    });
    on.onLoad({ filter: /.*/, namespace: REQUIRED }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** Whether awaiting at the top level is all that keeps it from being built. */
export function awaitsAtTop({ errors }: BuildFailure): boolean {
  return errors.length > 0 && errors.every(({ text }) => text.startsWith("Top-level await"));
}

/** `options` are those of the build in CommonJS form. Throws `ScriptTooLarge`. */
export async function buildAwaiting(
  options: BuildOptions & { supported: Record<string, boolean> },
  entry: string,
  maxBytes: number,
): Promise<{ code: string; map: string }> {
  const { supported, entryPoints: _, plugins = [], ...rest } = options;
  const isWrittenOut = supported["async-await"] === false;
  const { outputFiles } = await build({
    ...rest,
    write: false,
    stdin: {
      contents: `import * as entry from ${JSON.stringify(`./${entry}`)}; takeEntry(entry);`,
      sourcefile: AWAITING_ENTRY,
    },
    format: "esm",
    supported: { "import-meta": false, "dynamic-import": false },
    banner: {
      js: 'module.ready = (async () => { "use strict"; const takeEntry = (entry) => { module.exports = entry; };',
    },
    footer: { js: "})();" },
    sourcemap: isWrittenOut ? "inline" : "external",
    plugins: [requireBuiltins, ...plugins],
  });
  if (!isWrittenOut) return readScript(outputFiles, maxBytes);
  // Only now: what awaits at the top level cannot be written out where it stands.
  const { minifySyntax = false, minifyWhitespace = false } = options;
  // Its map stands inside, which may be several times as long.
  const inner = readScript(outputFiles, Number.POSITIVE_INFINITY);
  const script = await transform(inner.code, {
    ...{ supported, minifySyntax, minifyWhitespace, target: "es2024" },
    sourcemap: "external",
    sourcesContent: false,
  });
  requireSize(Buffer.byteLength(script.code), maxBytes);
  return script;
}

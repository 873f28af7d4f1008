/** ES modules are strict, but esbuild says so nowhere in a script of CommonJS form. */
import type { Metafile } from "esbuild";
import { SOURCE_NAMESPACE } from "./resolve-imports.ts";

const DIRECTIVE = '"use strict";\n';

interface Script {
  code: string;
  /** Source map v3 as JSON. */
  map: string;
}

/**
 * Whether all of a bundle may be strict: ES modules stand in it, and nothing of the upload that is CommonJS, which may
 * count on sloppy mode and shares the script with them.
 */
export function isStrict({ inputs }: Metafile): boolean {
  const formats = Object.entries(inputs)
    .filter(([path]) => path.startsWith(`${SOURCE_NAMESPACE}:`))
    .map(([, { format }]) => format);
  return formats.includes("esm") && !formats.includes("cjs");
}

/** The script in strict mode: one line longer, below a hashbang. */
export function makeStrict({ code, map }: Script): Script {
  const parsed = JSON.parse(map) as { mappings: string };
  return {
    code: code.replace(/^(?:#!.*\n)?/, (hashbang) => hashbang + DIRECTIVE),
    map: JSON.stringify({ ...parsed, mappings: `;${parsed.mappings}` }),
  };
}

/** esbuild is native and no part of the one file: it is the author's own, or the one beside this program. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as esbuild from "esbuild";

export type Esbuild = typeof esbuild;

/** @param folder of the author's source */
export async function loadEsbuild(folder: string): Promise<Esbuild | undefined> {
  for (const from of [join(folder, "noop.js"), import.meta.url]) {
    try {
      const path = createRequire(from).resolve("esbuild");
      const { default: module } = (await import(pathToFileURL(path).href)) as { default: Esbuild };
      return module;
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

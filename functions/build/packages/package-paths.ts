/** Paths below `node_modules/`. */

export const isInstalled = (path: string): boolean => path.startsWith("node_modules/");

/** Of `node_modules/a/node_modules/@scope/b/lib/c.js`, `node_modules/a/node_modules/@scope/b`. */
export function folderOfPackage(path: string): string {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? "";
}

/**
 * esbuild takes a file for an ES module by its name alone where a plugin has found it: it is told one that ends in
 * `.mjs`. By that it knows what a default import of a CommonJS module is.
 */
const MODULE_MARK = "?module.mjs";

export const markModule = (path: string): string => path + MODULE_MARK;
export const withoutMark = (path: string): string =>
  isInstalled(path) && path.endsWith(MODULE_MARK) ? path.slice(0, -MODULE_MARK.length) : path;

/**
 * Builds by esbuild in a process that ends with the build. With a thread, as esbuild would do it, thread and process stay
 * for builds to come, and ask each other each second whether they live. esbuild is loaded once in a
 * process, with threads or without: whoever builds synchronously builds by this. Without them esbuild's answer is an error
 * where it has more than 16 MB.
 */
import { createRequire } from "node:module";
import type { buildSync } from "esbuild";

export const buildAtOnce: typeof buildSync = (options) => loadWithoutThreads().buildSync(options);

/** It reads the setting when it is loaded, which is not before it is needed. */
function loadWithoutThreads(): typeof import("esbuild") {
  const { ESBUILD_WORKER_THREADS: given } = process.env;
  process.env["ESBUILD_WORKER_THREADS"] = "0";
  try {
    return createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  } finally {
    if (given === undefined) delete process.env["ESBUILD_WORKER_THREADS"];
    else process.env["ESBUILD_WORKER_THREADS"] = given;
  }
}

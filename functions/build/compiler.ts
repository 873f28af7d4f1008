import { type BuildOptions, type BuildResult, build, stop } from "esbuild";
import { buildFailed } from "./source-files.ts";

const BUILD_TIMEOUT_MS = 15_000;

let lastBuild: Promise<unknown> = Promise.resolve();

/**
 * Runs one build at a time: esbuild is one process for all of them, and a source that makes it crash or spin must
 * not take another upload along. Such a process is stopped; the next build starts a new one.
 * Rejects with esbuild's BuildFailure, or with `build_failed` where the process did not survive.
 */
export function compile<T extends BuildOptions>(options: T): Promise<BuildResult<T>> {
  const next = lastBuild.then(() => compileAlone(options));
  lastBuild = next.catch(() => {});
  return next;
}

async function compileAlone<T extends BuildOptions>(options: T): Promise<BuildResult<T>> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the build took too long")), BUILD_TIMEOUT_MS);
  });
  try {
    const building = build<T>(options as Parameters<typeof build<T>>[0]);
    return await Promise.race([building, deadline]);
  } catch (thrown) {
    if (thrown instanceof Error && "errors" in thrown) throw thrown;
    await stop();
    throw buildFailed("The compiler gave up on this source: it nests too deeply or takes too long to build.");
  } finally {
    clearTimeout(timer);
  }
}

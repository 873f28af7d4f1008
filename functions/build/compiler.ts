import { type BuildFailure, type BuildOptions, type BuildResult, build, stop } from "esbuild";
import { BuildQueue } from "./build-queue.ts";
import { prepareCompiler, watchCompiler } from "./compiler-process.ts";
import { buildFailed } from "./source-files.ts";

const BUILD_TIMEOUT_MS = 5_000;

const queue = new BuildQueue();

/**
 * Runs one build at a time: esbuild is one process for all of them, and a source that makes it crash, spin or grow
 * must not take another upload along. Such a process is stopped; the next build starts a new one.
 * Rejects with esbuild's BuildFailure, with `build_failed` where the process did not survive, with `build_overloaded`
 * where too many builds of the tenant wait.
 */
export function compile<T extends BuildOptions>(tenant: string, options: T): Promise<BuildResult<T>> {
  return queue.run(tenant, () => compileAlone(options));
}

function isBuildFailure(thrown: unknown): thrown is BuildFailure {
  return thrown instanceof Error && "errors" in thrown && Array.isArray(thrown.errors);
}

async function compileAlone<T extends BuildOptions>(options: T): Promise<BuildResult<T>> {
  const watch = watchCompiler(await prepareCompiler(), { timeoutMs: BUILD_TIMEOUT_MS });
  try {
    const building = build<T>(options as Parameters<typeof build<T>>[0]);
    return await Promise.race([building, watch.tooMuch]);
  } catch (thrown) {
    if (isBuildFailure(thrown)) throw thrown;
    await stop();
    throw buildFailed(
      "The compiler gave up on this source: it nests too deeply, grows too large or takes too long to build.",
    );
  } finally {
    watch.end();
  }
}

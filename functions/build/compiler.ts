import { type BuildOptions, type BuildResult, build, stop } from "esbuild";
import { childrenOf, programOf } from "../../core/processes/process-tree.ts";
import { ResidentMemory } from "../../core/processes/resident-memory.ts";
import { BuildQueue } from "./build-queue.ts";
import { buildFailed } from "./source-files.ts";

const BUILD_TIMEOUT_MS = 5_000;
const MAX_RESIDENT_BYTES = 400_000_000;
const LOOK_MS = 20;

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

async function compileAlone<T extends BuildOptions>(options: T): Promise<BuildResult<T>> {
  const watch = watchCompiler();
  try {
    const building = build<T>(options as Parameters<typeof build<T>>[0]);
    return await Promise.race([building, watch.tooMuch]);
  } catch (thrown) {
    if (thrown instanceof Error && "errors" in thrown) throw thrown;
    await stop();
    throw buildFailed(
      "The compiler gave up on this source: it nests too deeply, grows too large or takes too long to build.",
    );
  } finally {
    watch.end();
  }
}

/** Rejects when a build takes too long, or the compiler's process too much memory. */
function watchCompiler(): { tooMuch: Promise<never>; end(): void } {
  const startedAt = performance.now();
  let memory: ResidentMemory | undefined;
  let timer: NodeJS.Timeout | undefined;
  const tooMuch = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      memory ??= memoryOfCompiler();
      if ((memory?.readBytes() ?? 0) > MAX_RESIDENT_BYTES) reject(new Error("the compiler grew too large"));
      if (performance.now() - startedAt > BUILD_TIMEOUT_MS) reject(new Error("the build took too long"));
    }, LOOK_MS);
  });
  // Where it rejects after the build ended nobody waits for it.
  tooMuch.catch(() => {});
  return {
    tooMuch,
    end() {
      clearInterval(timer);
      memory?.close();
    },
  };
}

function memoryOfCompiler(): ResidentMemory | undefined {
  const pid = childrenOf(process.pid).find((child) => programOf(child) === "esbuild");
  return pid === undefined ? undefined : new ResidentMemory(pid);
}

/** esbuild's own process: found among this process's children, limited, watched. */
import { spawnSync } from "node:child_process";
import { stop, transform } from "esbuild";
import { childrenOf, programOf } from "../../core/processes/process-tree.ts";
import { ResidentMemory } from "../../core/processes/resident-memory.ts";

/** What a build of 5 MB takes is a third of it. */
const MAX_DATA_BYTES = 330_000_000;
const LOOK_MS = 20;

const limited = new Set<number>();

/**
 * Starts esbuild's process where there is none and limits its memory: beyond it the process ends itself, however fast
 * it grew. Where the system has no `prlimit`, the watch over its memory stands alone.
 */
export async function prepareCompiler(): Promise<number | undefined> {
  await wake();
  // One that was stopped may not be gone yet: the last to come is the one that builds.
  const pids = childrenOf(process.pid).filter((child) => programOf(child) === "esbuild");
  for (const pid of pids) {
    if (limited.has(pid)) continue;
    spawnSync("prlimit", ["--pid", String(pid), `--data=${MAX_DATA_BYTES}`], { stdio: "ignore" });
    limited.add(pid);
  }
  for (const pid of limited) if (!pids.includes(pid)) limited.delete(pid);
  return pids.at(-1);
}

/** A process that died of the last source is noticed only now: the second try starts a new one. */
async function wake(): Promise<void> {
  try {
    await transform("");
  } catch {
    await stop();
    await transform("");
  }
}

/** Rejects when a build takes too long, or the compiler's process too much memory. */
export function watchCompiler(
  pid: number | undefined,
  limits: { timeoutMs: number },
): { tooMuch: Promise<never>; end(): void } {
  const startedAt = performance.now();
  const memory = pid === undefined ? undefined : new ResidentMemory(pid);
  let timer: NodeJS.Timeout | undefined;
  const tooMuch = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if ((memory?.readBytes() ?? 0) > MAX_DATA_BYTES) reject(new Error("the compiler grew too large"));
      if (performance.now() - startedAt > limits.timeoutMs) reject(new Error("the build took too long"));
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

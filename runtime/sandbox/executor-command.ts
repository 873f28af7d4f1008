import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { SandboxSettings } from "./settings.ts";

const MEGABYTE = 1_048_576;

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const MAIN = pathOf("../executor/main.ts");
const PRELUDE = pathOf("../../functions/guest/prelude.js");

/** All an executor may read: its own sources. The addon is loaded by its path, without a right to read. */
const READABLE = [
  MAIN,
  ...["author-frames.ts", "guest-isolate.ts", "host.ts", "isolate-pool.ts"].map((name) =>
    pathOf(`../executor/${name}`),
  ),
  pathOf("./frames.ts"),
  pathOf("./protocol.ts"),
  pathOf("../../functions/guest/limits.ts"),
  PRELUDE,
];

/**
 * Starts an executor: no environment, no right to files but its own sources, stderr and the frames' descriptor 3
 * as pipes. In its own process group: a Ctrl-C in the terminal is the worker's to answer, by draining.
 */
export function spawnExecutor(settings: SandboxSettings): ChildProcess {
  return spawn(process.execPath, executorArguments(settings), {
    cwd: "/",
    env: {},
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
}

function executorArguments(settings: SandboxSettings): string[] {
  const poolLimits = {
    maxIdle: settings.maxIdleIsolates,
    maxIdleMs: settings.idleIsolateMs,
    maxWarmRssBytes: settings.maxWarmResidentMb * MEGABYTE,
  };
  return [
    "--permission",
    "--allow-addons",
    ...READABLE.map((path) => `--allow-fs-read=${path}`),
    "--no-node-snapshot",
    "--no-experimental-sqlite",
    "--disable-sigusr1",
    "--no-warnings",
    `--max-old-space-size=${settings.executorHeapMb}`,
    MAIN,
    addonPath(),
    PRELUDE,
    JSON.stringify(poolLimits),
  ];
}

let cachedAddonPath: string | undefined;

/** The isolated-vm binary that fits this machine, found as its package would find it. */
function addonPath(): string {
  if (cachedAddonPath) return cachedAddonPath;
  const packagePath = createRequire(import.meta.url).resolve("isolated-vm/package.json");
  const findBuild = createRequire(packagePath)("node-gyp-build") as { path(folder: string): string };
  cachedAddonPath = findBuild.path(dirname(packagePath));
  return cachedAddonPath;
}

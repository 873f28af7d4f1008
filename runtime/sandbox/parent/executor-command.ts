import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { guestSnapshotPath, nodeModulesPath } from "../../../functions/guest/build/guest-snapshot.ts";
import { DEFAULT_SANDBOX_SETTINGS, type SandboxSettings } from "../settings.ts";
import type { HostFacts } from "../walls/plan.ts";
import { StandingWalls } from "../walls/standing-walls.ts";
import { readCompiledCode, readExecutorBundle } from "./executor-bundle.ts";
import { NODE_SNAPSHOT_FLAGS } from "./node-snapshot.ts";

/** Threads of node and V8 themselves. */
const OWN_TASKS = 256;

const LOADER = "loader.cjs";
const EXECUTOR = "executor.cjs";
const CODE = "executor.code";
const GUEST = "guest.snapshot";
const NODE_MODULES = "node-modules.json";

let standing: StandingWalls | undefined;

/**
 * The walls around this process's executors. The first call lays them out, which takes some 30 ms; which of them stand
 * is known when the first executor is up. They go with the process.
 */
export function standingWalls(): StandingWalls {
  if (standing) return standing;
  const walls = layOutWalls();
  process.once("exit", () => walls.remove());
  standing = walls;
  return walls;
}

/** Walls of one's own, to be removed; `hostFacts` stand in for this host's. */
export function layOutWalls(hostFacts?: Partial<HostFacts>): StandingWalls {
  const { addon, guest, nodeModules } = outerFiles();
  const { loader, program, code } = readExecutorBundle();
  const compiled = code && readCompiledCode(code);
  const parts = {
    node: process.execPath,
    addon,
    files: { [GUEST]: guest, [NODE_MODULES]: nodeModules },
    texts: { [LOADER]: loader, [EXECUTOR]: program, ...(compiled && { [CODE]: compiled }) },
  };
  return new StandingWalls(parts, hostFacts);
}

/** Started before anybody asked for it; whoever wants one with the same arguments gets it. */
let ahead: { child: ChildProcess; args: string } | undefined;

/** Starts an executor with the default settings, for the first who wants one. */
export function startExecutorAhead(): void {
  const walls = standingWalls();
  const child = launchExecutor(DEFAULT_SANDBOX_SETTINGS, walls);
  // Who takes it finds that it has not started.
  child.on("error", () => {});
  // Where nobody comes to take it the process may end.
  for (const handle of [child, child.stderr as Socket, child.stdio[3] as Socket]) handle?.unref();
  ahead = { child, args: executorArguments(DEFAULT_SANDBOX_SETTINGS, walls).join("\0") };
}

/** Undefined: there is none, it would be another, or it has ended by now. */
function takeExecutorAhead(settings: SandboxSettings, walls: StandingWalls): ChildProcess | undefined {
  if (!ahead || walls !== standing) return undefined;
  const { child, args } = ahead;
  if (args !== executorArguments(settings, walls).join("\0")) return undefined;
  ahead = undefined;
  const isAlive = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return isAlive ? child : undefined;
}

/**
 * Starts an executor behind the walls that stand: no environment, no right to files but its own, stderr and the frames'
 * descriptor 3 as pipes. In its own process group: a Ctrl-C in the terminal is the worker's to answer, by draining.
 * The child may be what holds the executor, not the executor itself: ask `findExecutor` once it is ready.
 */
export function spawnExecutor(
  settings: SandboxSettings,
  walls: StandingWalls = standingWalls(),
): ChildProcess {
  return takeExecutorAhead(settings, walls) ?? launchExecutor(settings, walls);
}

function launchExecutor(settings: SandboxSettings, walls: StandingWalls): ChildProcess {
  const { chain, leave } = walls.enter(OWN_TASKS + 2 * settings.isolatesPerExecutor);
  const [file, ...args] = [...chain, walls.node, ...executorArguments(settings, walls)];
  const child = spawn(file!, args, {
    cwd: "/",
    env: {},
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  // Its pipes are closed when nothing of it is left; a child that never started has no close.
  child.once(child.pid === undefined ? "error" : "close", leave);
  return child;
}

function executorArguments(settings: SandboxSettings, walls: StandingWalls): string[] {
  const [loader, program, guest, nodeModules] = [LOADER, EXECUTOR, GUEST, NODE_MODULES].map((name) =>
    walls.pathOf(name),
  ) as [string, string, string, string];
  const code = walls.holds(CODE) ? walls.pathOf(CODE) : undefined;
  const files = [loader, program, ...(code === undefined ? [] : [code]), guest, nodeModules];
  return [
    "--permission",
    "--allow-addons",
    ...files.map((file) => `--allow-fs-read=${file}`),
    ...nodeFlags(settings),
    ...[loader, program, code ?? ""],
    ...programArguments({ addon: walls.addon, guest, nodeModules }, settings),
  ];
}

interface ProgramFiles {
  addon: string;
  guest: string;
  nodeModules: string;
}

/** Of an executor without walls. */
export const outerFiles = (guest = guestSnapshotPath()): ProgramFiles => ({
  addon: addonPath(),
  guest,
  nodeModules: nodeModulesPath(guest),
});

export function programArguments(
  { addon, guest, nodeModules }: ProgramFiles,
  settings: SandboxSettings,
): string[] {
  const poolLimits = {
    // Its share comes when it serves somebody.
    maxWarmBytes: 0,
    maxIdleMs: settings.idleIsolateMs,
    spares: settings.spareIsolates,
  };
  return [addon, guest, nodeModules, JSON.stringify(poolLimits)];
}

/** All but what an executor may do: V8 takes compiled code from a process with the same flags alone. */
export const nodeFlags = ({ executorHeapMb }: SandboxSettings): string[] => [
  ...NODE_SNAPSHOT_FLAGS,
  "--no-experimental-sqlite",
  "--disable-sigusr1",
  "--no-warnings",
  `--max-old-space-size=${executorHeapMb}`,
];

let cachedAddonPath: string | undefined;

/** Takes a path for the one that would be found, where it is there: looking for it takes a start 12 ms. */
export function assumeAddon(path: string): void {
  if (existsSync(path)) cachedAddonPath = path;
}

/** The isolated-vm binary that fits this machine, found as its package would find it. */
export function addonPath(): string {
  if (cachedAddonPath) return cachedAddonPath;
  const packagePath = createRequire(import.meta.url).resolve("isolated-vm/package.json");
  const findBuild = createRequire(packagePath)("node-gyp-build") as { path(folder: string): string };
  cachedAddonPath = findBuild.path(dirname(packagePath));
  return cachedAddonPath;
}

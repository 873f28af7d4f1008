/** For tests: walls around a probe instead of an executor. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { addonPath } from "../parent/executor-command.ts";
import type { HostFacts } from "./plan.ts";
import { StandingWalls } from "./standing-walls.ts";
import type { ProbeFindings, ProbeTask } from "./wall-probe.ts";

const PROBE = fileURLToPath(new URL("wall-probe.ts", import.meta.url));
const IDLE: ProbeTask = { connectTo: [], signal: [], read: [], write: [], run: [], spin: false };
const MAX_TASKS = 300;

export async function raiseWalls(hostFacts?: Partial<HostFacts>): Promise<StandingWalls> {
  const { outputFiles } = buildSync({
    entryPoints: [PROBE],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node24",
  });
  const texts = { "probe.mjs": outputFiles[0]!.text };
  const parts = { node: process.execPath, addon: addonPath(), files: {}, texts };
  const walls = new StandingWalls(parts, hostFacts);
  await walls.tryOut();
  return walls;
}

/** Starts a probe; `before` are words of a command to run it with. */
export function spawnProbe(
  walls: StandingWalls,
  task: Partial<ProbeTask>,
  stderr: "pipe" | "inherit" = "pipe",
  before: string[] = [],
): ChildProcess {
  const { chain, leave } = walls.enter(MAX_TASKS);
  const probe = [walls.node, walls.pathOf("probe.mjs"), JSON.stringify({ ...IDLE, ...task })];
  const [file, ...args] = [...chain, ...before, ...probe];
  const child = spawn(file!, args, {
    cwd: "/",
    env: {},
    detached: true,
    stdio: ["ignore", "ignore", stderr],
  });
  child.once("close", leave);
  return child;
}

/** What a probe found, once it has said so. */
export async function findingsOf(child: ChildProcess): Promise<ProbeFindings> {
  let text = "";
  for await (const chunk of child.stderr!.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.endsWith("\n") && text.startsWith("{")) return JSON.parse(text) as ProbeFindings;
  }
  throw new Error(`the probe said: ${text}`);
}

/** Runs the model or the torture in a copy of the project, and reads what it found. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { guardProcess } from "../support/process-guard.ts";
import type { ProjectCopy } from "./copy-project.ts";
import type { Catcher } from "./mutation.ts";

export interface Catch {
  /** Invariants that were violated, by name; none: it found nothing. */
  violated: string[];
  /** It ended otherwise than who has looked and says what it found. */
  hasFailed: boolean;
  /** All that it said. */
  lines: string[];
  seconds: number;
}

const FLAGS = ["--disable-warning=TimeoutNegativeWarning"];
/** The torture waits no longer than this for what never ends. */
const PATIENCE_SECONDS = 45;

/** The program of a catcher and its arguments. Pure. */
export function toArgs(catcher: Catcher): string[] {
  const { by, seed } = catcher;
  const own =
    catcher.by === "model"
      ? { interleavings: catcher.interleavings }
      : {
          ...{ minutes: catcher.minutes, faults: catcher.faults.join(","), rate: catcher.ratePerSecond },
          ...{ transport: catcher.transport, patience: PATIENCE_SECONDS },
        };
  const options = Object.entries({ seed, ...own }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return [`test/${by}/main.ts`, ...options];
}

/** The invariants that the lines call violated, once each. Pure. */
export const readViolated = (lines: readonly string[]): string[] => [
  ...new Set(lines.flatMap((line) => /^VIOLATED ([a-z-]+):/.exec(line)?.[1] ?? [])),
];

/** Both catchers end by themselves; one that a mutation keeps from it is killed after `patienceMs`. */
export async function runCatcher(copy: ProjectCopy, catcher: Catcher, patienceMs: number): Promise<Catch> {
  const beganMs = performance.now();
  const child = spawn(process.execPath, [...FLAGS, ...toArgs(catcher)], {
    cwd: copy.folder,
    env: { ...process.env, TMPDIR: copy.evidence },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const guard = guardProcess(child.pid!, { signal: "SIGKILL" });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  const late = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(late);
  guard.release();
  const violated = readViolated(lines);
  const isRight = code === 0 ? violated.length === 0 : code === 1 && violated.length > 0;
  return {
    violated,
    hasFailed: !isRight,
    lines,
    seconds: (performance.now() - beganMs) / 1_000,
  };
}

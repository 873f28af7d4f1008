/**
 * A role's program as a real process. Whatever a test leaves running is killed when its file ends, and also when
 * the file's own process is killed.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { ROLE_FLAGS } from "../../core/role-flags.ts";
import { chooseProgram } from "./bundled.ts";
import { COMPILE_CACHE } from "./compile-cache.ts";
import { guardProcess } from "./process-guard.ts";
import { createRecording } from "./recording.ts";

export interface RunningProcess {
  readonly pid: number;
  /** Every line so far, of stdout and stderr together. */
  readonly lines: string[];
  /** Those of stderr alone: the two come by pipes of their own, in no order between them. */
  readonly errorLines: string[];
  /** Those that are JSON objects, parsed. */
  readonly logs: Record<string, unknown>[];
  /** The first line that matches, past ones included; rejects, with the last lines, at the timeout or the exit. */
  waitForLine(matches: RegExp | ((line: string) => boolean), timeoutMs?: number): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when it has ended and every line has been read. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** SIGTERM, and SIGKILL when it has not ended ten seconds later, or `graceMs`; fine on one that has ended. */
  stop(graceMs?: number): Promise<void>;
}

export interface ProcessOptions {
  /** Exactly its environment; PATH and the cache of compiled code alone are added. */
  env?: Record<string, string>;
  args?: string[];
  /** Also in a run that has bundled the roles: where what users start is to be judged. */
  isFromSource?: boolean;
}

const ROOT = join(import.meta.dirname, "..", "..");
const STOP_GRACE_MS = 10_000;
/** For a stop whose end is judged: a busy machine may take its time. */
export const PATIENT_STOP_MS = 120_000;
const LINES_IN_MESSAGE = 20;

const running = new Set<RunningProcess>();

after(async () => {
  for (const left of running) left.signal("SIGKILL");
  await Promise.all([...running].map(({ exited }) => exited));
});

/** @param file from the root of the repository, `api/main.ts`, or absolute */
export function startProcess(file: string, options: ProcessOptions = {}): RunningProcess {
  const { env = {}, args = [], isFromSource = false } = options;
  const program = isFromSource ? file : chooseProgram(file);
  return startCommand(file, [process.execPath, ...ROLE_FLAGS, program, ...args], {
    ...COMPILE_CACHE,
    ...env,
  });
}

/**
 * Any program.
 * @param name what messages call it
 * @param env exactly its environment; PATH alone is added
 */
export function startCommand(
  name: string,
  [file, ...args]: string[],
  env: Record<string, string> = {},
): RunningProcess {
  const child = spawn(file!, args, {
    cwd: ROOT,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const guard = guardProcess(child.pid!, { signal: "SIGKILL" });
  const recording = createRecording<string>(`line of ${name}`);
  const lines = recording.items;
  const errorLines: string[] = [];
  createInterface({ input: child.stdout }).on("line", recording.add);
  createInterface({ input: child.stderr }).on("line", (line) => {
    errorLines.push(line);
    recording.add(line);
  });
  const exited = once(child, "close").then(([code, signal]) => {
    running.delete(role);
    guard.release();
    recording.end(`it has ended (${signal ?? `code ${code}`}).`);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  const role: RunningProcess = {
    pid: child.pid!,
    lines,
    errorLines,
    get logs() {
      return lines.flatMap(parseLog);
    },
    async waitForLine(matches, timeoutMs = 120_000) {
      const test = typeof matches === "function" ? matches : (line: string) => line.search(matches) >= 0;
      try {
        const [line] = await recording.waitFor(test, { timeoutMs });
        return line!;
      } catch (error) {
        const last = lines.slice(-LINES_IN_MESSAGE).join("\n");
        throw new Error(`${(error as Error).message} ${String(matches)}; its last lines:\n${last}`);
      }
    },
    signal: (signal) => void child.kill(signal),
    exited,
    async stop(graceMs = STOP_GRACE_MS) {
      const late = setTimeout(() => child.kill("SIGKILL"), graceMs);
      // One that is frozen hears the signal only when it goes on.
      child.kill("SIGTERM");
      child.kill("SIGCONT");
      await exited;
      clearTimeout(late);
    },
  };
  running.add(role);
  return role;
}

function parseLog(line: string): Record<string, unknown>[] {
  if (!line.startsWith("{")) return [];
  try {
    return [JSON.parse(line) as Record<string, unknown>];
  } catch {
    return [];
  }
}

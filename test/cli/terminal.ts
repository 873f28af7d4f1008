/** A program in a terminal: util-linux's `script` gives it one, and an emulator tells what stands on its screen. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import xterm from "@xterm/headless";
import { guardProcess } from "../support/process-guard.ts";
import { createRecording } from "../support/recording.ts";
import { isStrict } from "../tools/skip.ts";

export interface TerminalProgram {
  /** What can be seen now, without the spaces at the ends of lines. */
  screen(): string;
  /** What stands on the screen when it matches first. */
  waitForScreen(matches: RegExp, timeoutMs?: number): Promise<string>;
  type(keys: string): void;
  /** All that the program wrote; ␛ stands for the escape character. */
  written(): string;
  exited: Promise<number>;
}

export interface TerminalOptions {
  env: Record<string, string>;
  cwd: string;
  columns?: number;
  rows?: number;
}

const NO_SCRIPT = "script of util-linux is not installed";
const running = new Set<ChildProcess>();
after(() => {
  for (const left of running) left.kill("SIGKILL");
});

const hasScript = () =>
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true;

/** Why there is none; `false`: there is one, or the tests are to fail without (demandTerminal). */
export function lackOfTerminal(): string | false {
  return hasScript() || isStrict() ? false : NO_SCRIPT;
}

/** For `before`: a suite fails there by name, where a file that throws while it loads would name nothing. */
export function demandTerminal(): void {
  if (!hasScript()) throw new Error(`${NO_SCRIPT}, and --strict demands it.`);
}

export function startInTerminal(
  command: string[],
  { env, cwd, columns = 100, rows = 30 }: TerminalOptions,
): TerminalProgram {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const line = `stty cols ${columns} rows ${rows}; exec ${quoted}`;
  const child = spawn("script", ["--quiet", "--flush", "--return", "--command", line, "/dev/null"], {
    ...{ cwd, env: { TERM: "xterm-256color", SHELL: "/bin/sh", ...env }, stdio: ["pipe", "pipe", "inherit"] },
  });
  running.add(child);
  // Keys for a program that has just ended; `exited` and the screen tell of that.
  child.stdin!.on("error", () => {});
  const guard = guardProcess(child.pid!, { signal: "SIGKILL" });
  const emulator = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: false });
  const screens = createRecording<string>("screen");
  let written = "";
  const readScreen = () => {
    const { active } = emulator.buffer;
    const at = (row: number) => active.getLine(active.baseY + row)?.translateToString(true) ?? "";
    return Array.from({ length: rows }, (_, row) => at(row))
      .join("\n")
      .trimEnd();
  };
  child.stdout!.on("data", (part: Buffer) => {
    written += part.toString("utf8");
    emulator.write(part, () => screens.add(readScreen()));
  });
  const exited = once(child, "close").then(async ([code]) => {
    running.delete(child);
    guard.release();
    // The emulator draws later than it is given: what was written last stands on the screen, too.
    await new Promise<void>((resolve) => emulator.write("", resolve));
    screens.end(`the program has ended with ${code}.`);
    return code as number;
  });
  return {
    screen: readScreen,
    async waitForScreen(matches, timeoutMs = 120_000) {
      try {
        const [screen] = await screens.waitFor((each) => matches.test(each), { timeoutMs });
        return screen!;
      } catch (error) {
        throw new Error(`${(error as Error).message} ${matches}; the screen is:\n${readScreen()}`);
      }
    },
    type: (keys) => void child.stdin!.write(keys),
    written: () => written.replaceAll("\u001b", "␛"),
    exited,
  };
}

export const CTRL_C = "\u0003";
export const ENTER = "\r";
export const TAB = "\t";

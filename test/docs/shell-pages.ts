/** Pages with commands: their blocks, and somebody at a shell who can run them. */
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createUser, PROGRAM, type User } from "../cli/program.ts";

export interface Block {
  language: string;
  /** What stands behind the language: a file's name, or a word such as `live`. */
  note: string;
  text: string;
}

export async function readBlocks(path: string): Promise<Block[]> {
  const page = await readFile(path, "utf8");
  return [...page.matchAll(/^```(\w+)(?: ([^\n]+))?\n(.*?)^```/gms)].map(([, language, note, text]) => ({
    ...{ language: language!, note: note ?? "", text: text! },
  }));
}

/** The program is found as `bellhop`. */
export async function createShellUser(env: Record<string, string>): Promise<User> {
  const user = await createUser(env);
  await mkdir(join(user.folder, "bin"));
  await addCommand(user, "bellhop", `exec '${process.execPath}' '${PROGRAM}' "$@"`);
  user.env["PATH"] = `${join(user.folder, "bin")}:${user.env["PATH"]}`;
  return user;
}

export async function addCommand(user: User, name: string, script: string): Promise<void> {
  const path = join(user.folder, "bin", name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

/** Ends at the first command that fails. What the commands wrote, each after itself. */
export async function runScript(user: User, script: string): Promise<string> {
  const options = { cwd: user.folder, env: user.env, maxBuffer: 10_000_000 };
  const { stdout, stderr } = await promisify(execFile)(
    "bash",
    ["-euxo", "pipefail", "-c", script],
    options,
  ).catch((error: { stderr: string; stdout: string }) => {
    throw new Error(`${error.stderr.slice(-2000)}\n${error.stdout.slice(-1000)}`);
  });
  return `${stderr}\n${stdout}`;
}

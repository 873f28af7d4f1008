/** JSON that is given on the command line: as it is, in a file (`@file`), or on stdin (`-`). */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { usageFailure } from "./failure.ts";
import type { Cli } from "./session.ts";
import { readStdin } from "./terminal/prompt.ts";

export async function readJsonInput(
  cli: Pick<Cli, "cwd" | "asking">,
  given: string,
  what: string,
): Promise<unknown> {
  const text = await readText(cli, given, what);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageFailure(
      `The ${what} is not JSON: ${(error as Error).message}`,
      `Give it as '{"name": "Ada"}', as @file, or as - and on stdin; text stands in quotes, '"text"'.`,
    );
  }
}

export async function readText(
  { cwd, asking }: Pick<Cli, "cwd" | "asking">,
  given: string,
  what: string,
): Promise<string> {
  if (given === "-") {
    if (asking.stdin.isTTY) throw usageFailure(`The ${what} is to come on stdin, which is a terminal.`);
    return await readStdin(asking.stdin);
  }
  if (!given.startsWith("@")) return given;
  const path = resolve(cwd, given.slice(1));
  return await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw usageFailure(`${path} cannot be read (${error.code}).`);
  });
}

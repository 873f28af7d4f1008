import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

const MAX_SAID_CHARS = 5_000;

/**
 * To be called as soon as the process was started. Resolves when it has ended, with what it said where it did not end well;
 * rejects where no process could be made.
 */
export async function hearEnd(child: ChildProcess): Promise<string | undefined> {
  // Rejects where there is none, which then has no streams either.
  const exited = once(child, "exit");
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-MAX_SAID_CHARS);
  });
  // One whose channel was closed from here has no close of its own.
  const ended = [exited, child.stderr && once(child.stderr, "close")] as const;
  const [[status, killedBy]] = (await Promise.all(ended)) as [[number | null, string | null], unknown];
  return status === 0 ? undefined : said.trim() || `it ended with ${killedBy ?? `exit code ${status}`}`;
}

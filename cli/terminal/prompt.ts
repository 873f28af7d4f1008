/** Questions. They are asked on a terminal alone; without one the command says what to give instead. */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { Interrupted, usageFailure } from "../failure.ts";

export interface Asking {
  stdin: NodeJS.ReadStream;
  stderr: NodeJS.WriteStream;
  /** Ctrl-C, where it comes as a signal and not as a key. */
  signal: AbortSignal;
}

export function canAsk({ stdin, stderr }: Asking): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** @param instead what to give where nobody can be asked */
export async function ask(asking: Asking, question: string, instead: string): Promise<string> {
  return await askLine(asking, question, instead, asking.stderr);
}

/** What is typed is not shown. */
export async function askSecret(asking: Asking, question: string, instead: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  return await askLine(asking, question, instead, silent);
}

/** @param isAnswered --yes */
export async function confirm(asking: Asking, question: string, isAnswered: boolean): Promise<boolean> {
  if (isAnswered) return true;
  const answer = await ask(asking, `${question} [y/N] `, "Pass --yes to skip the question.");
  return /^y(es)?$/i.test(answer.trim());
}

async function askLine(
  asking: Asking,
  question: string,
  instead: string,
  output: NodeJS.WritableStream,
): Promise<string> {
  if (!canAsk(asking))
    throw usageFailure("This needs an answer, but there is no terminal to ask on.", instead);
  const { stdin, stderr, signal } = asking;
  // Of a terminal, so that keys are not echoed by it but by `output`.
  const lines = createInterface({ input: stdin, output, terminal: true });
  const leave = new AbortController();
  try {
    return await new Promise<string>((resolve, reject) => {
      const interrupt = () => reject(new Interrupted());
      lines.once("line", resolve);
      lines.once("SIGINT", interrupt);
      lines.once("close", interrupt);
      signal.addEventListener("abort", interrupt, { signal: leave.signal });
      stderr.write(question);
    });
  } finally {
    leave.abort();
    lines.close();
    stdin.pause();
    if (output !== stderr) stderr.write("\n");
  }
}

/** All of stdin, where it is no terminal. */
export async function readStdin(stdin: NodeJS.ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString("utf8");
}

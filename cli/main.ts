/** The program `bellhop`. */
import { CommanderError } from "commander";
import { createOutput } from "./command.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { type Failure, Interrupted, toFailure } from "./failure.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { createProgram } from "./program.ts";
import type { Cli } from "./session.ts";
import { showFailure } from "./show-failure.ts";
import { printableJson } from "./terminal/printable.ts";
import { VERSION } from "./version.ts";

async function main(args: readonly string[]): Promise<ExitCode> {
  const signal = listenForInterrupt();
  const cli: Cli = {
    env: process.env,
    cwd: process.cwd(),
    asking: { stdin: process.stdin, stderr: process.stderr, signal },
    signal,
    version: VERSION,
    now: () => Date.now(),
  };
  try {
    await createProgram(cli).parseAsync(args, { from: "user" });
    return cli.signal.aborted ? EXIT.interrupted : EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof Interrupted || cli.signal.aborted) return EXIT.interrupted;
    const failure = toFailure(error);
    tell(failure, cli, args.includes("--json"));
    return failure.exitCode;
  }
}

function tell(failure: Failure, cli: Cli, json: boolean): void {
  const { message, code, exitCode, hint, help, details, cause } = failure;
  const out = createOutput(cli, json);
  if (json) {
    const problem = cause instanceof Error ? undefined : cause;
    out.note(printableJson({ error: { code, message, exitCode, hint, help, details, problem } }));
    return;
  }
  showFailure(out, failure);
}

process.exitCode = await main(process.argv.slice(2));
// A connection that is kept for the next request keeps the program no longer; what was printed is written first.
await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
process.exit();

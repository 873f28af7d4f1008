/** How a command is put together: its action gets a session, its help an example. */
import type { Command } from "commander";
import { readProfiles } from "./profiles.ts";
import { type Cli, openSession, type Session } from "./session.ts";
import { chooseTarget } from "./target.ts";
import { Output } from "./terminal/output.ts";

export interface GlobalOptions {
  json?: boolean;
  profile?: string;
  url?: string;
  namespace?: string;
}

export type Arguments = readonly (string | undefined)[];

/** A command that talks to the API. */
export function withSession<Options>(
  cli: Cli,
  run: (session: Session, args: Arguments, options: Options & GlobalOptions) => Promise<void>,
) {
  return withOutput<Options>(cli, async (out, args, options) => {
    const target = chooseTarget(options, cli.env, await readProfiles(cli.env));
    await run(openSession(cli, target, out), args, options);
  });
}

/** A command that talks to nobody, or to whom it finds itself. */
export function withOutput<Options>(
  cli: Cli,
  run: (out: Output, args: Arguments, options: Options & GlobalOptions) => Promise<void>,
) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = command.optsWithGlobals() as Options & GlobalOptions;
    await run(createOutput(cli, options.json === true), command.processedArgs as Arguments, options);
  };
}

export function createOutput({ env }: Pick<Cli, "env">, json: boolean): Output {
  return new Output({ stdout: process.stdout, stderr: process.stderr, env, json });
}

export function addExamples(command: Command, ...lines: string[]): Command {
  return command.addHelpText(
    "after",
    `\nExamples:\n${lines.map((line) => `  $ bellhop ${line}`).join("\n")}`,
  );
}

/** Of an option that may be repeated. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A group of commands, which shows its help where none of them is named. */
export function addGroup(program: Command, name: string, description: string): Command {
  return program.command(name).description(description);
}

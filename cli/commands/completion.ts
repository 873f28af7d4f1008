/** `completion`: the script for a shell, and what it asks. */
import { Argument, type Command } from "commander";
import { addExamples, createOutput, type GlobalOptions } from "../command.ts";
import { findCandidates, matching } from "../completion/find-candidates.ts";
import { listNames } from "../completion/list-names.ts";
import { SCRIPTS, SHELLS, type Shell } from "../completion/scripts.ts";
import { readProfiles } from "../profiles.ts";
import { type Cli, openSession } from "../session.ts";
import { chooseTarget } from "../target.ts";
import { printableLine } from "../terminal/printable.ts";

/** Longer, and whoever pressed Tab types it himself. */
const PATIENCE_MS = 1500;

export function addCompletion(program: Command, cli: Cli): void {
  addExamples(
    program
      .command("completion")
      .description("print the script that completes commands and names in a shell")
      .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
      .action((shell: Shell) => void process.stdout.write(SCRIPTS[shell])),
    "completion bash > ~/.local/share/bash-completion/completions/bellhop",
    "completion zsh > ~/.zfunc/_bellhop",
    "completion fish > ~/.config/fish/completions/bellhop.fish",
  );
  program
    .command("__complete [words...]", { hidden: true })
    .allowUnknownOption()
    .action((words: string[]) => complete(program, cli, words));
}

async function complete(program: Command, cli: Cli, words: readonly string[]): Promise<void> {
  const typed = words.at(-1) ?? "";
  const { candidates, names } = findCandidates(program, words);
  const named = names === undefined ? [] : await lookUp(cli, words, names).catch(() => []);
  for (const { value, description } of [...candidates, ...matching(named, typed)])
    process.stdout.write(`${printableLine(value)}\t${printableLine(description)}\n`);
}

/** With the profile that the line names. */
async function lookUp(cli: Cli, words: readonly string[], names: Parameters<typeof listNames>[1]) {
  const at = (option: string) => (words.includes(option) ? words[words.indexOf(option) + 1] : undefined);
  const asked: GlobalOptions = {};
  for (const name of ["profile", "url", "namespace"] as const) {
    const value = at(`--${name}`);
    if (value !== undefined) asked[name] = value;
  }
  if (names === "profile") return await listNames({ env: cli.env } as Parameters<typeof listNames>[0], names);
  const signal = AbortSignal.any([cli.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const target = chooseTarget(asked, cli.env, await readProfiles(cli.env));
  return await listNames(openSession({ ...cli, signal }, target, createOutput(cli, true)), names);
}

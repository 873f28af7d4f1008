/** What may stand next on a command line, by the commands themselves. */
import type { Command, Option } from "commander";

export interface Candidate {
  value: string;
  description: string;
}

/** Things of the namespace whose names are asked for. */
export const NAMED_THINGS = ["function", "task", "queue", "run", "profile"] as const;
export type NamedThing = (typeof NAMED_THINGS)[number];

export interface Completion {
  candidates: Candidate[];
  /** Whose names may stand there as well. */
  names: NamedThing | undefined;
}

/** @param words behind the program's name; the last one is being typed, and may be empty */
export function findCandidates(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? "";
  const { command, positionals, option } = walk(program, words.slice(0, -1));
  if (option) return ofValue(option, typed);
  const [, name, value] = /^(--[^=]+)=(.*)$/.exec(typed) ?? [];
  const assigned = name === undefined ? undefined : findOption(command, name);
  if (assigned) {
    const { candidates, names } = ofValue(assigned, value!);
    return { candidates: candidates.map((each) => ({ ...each, value: `${name}=${each.value}` })), names };
  }
  if (typed.startsWith("-"))
    return { candidates: matching(optionsOf(command).flatMap(toCandidates), typed), names: undefined };
  const commands = positionals === 0 ? command.createHelp().visibleCommands(command) : [];
  const candidates = commands.map((each) => ({ value: each.name(), description: each.description() }));
  const argument = command.registeredArguments[Math.min(positionals, command.registeredArguments.length - 1)];
  const isPast = positionals >= command.registeredArguments.length && argument?.variadic !== true;
  if (isPast) return { candidates: matching(candidates, typed), names: undefined };
  const choices = (argument?.argChoices ?? []).map((value) => ({ value, description: "" }));
  return { candidates: matching([...candidates, ...choices], typed), names: thingOf(argument?.name()) };
}

export const matching = (candidates: readonly Candidate[], typed: string): Candidate[] =>
  candidates.filter(({ value }) => value.startsWith(typed));

interface Place {
  command: Command;
  positionals: number;
  /** Whose value comes next. */
  option: Option | undefined;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let positionals = 0;
  let option: Option | undefined;
  for (const word of words) {
    if (option) {
      option = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const found = word.includes("=") ? undefined : findOption(command, word);
      option = found?.required ? found : undefined;
      continue;
    }
    const next = positionals === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (next) command = next;
    else positionals += 1;
  }
  return { command, positionals, option };
}

/** Its own, and those that stand everywhere. */
function optionsOf(command: Command): Option[] {
  const help = command.createHelp();
  return [...help.visibleOptions(command), ...(command.parent ? help.visibleGlobalOptions(command) : [])];
}

const findOption = (command: Command, word: string): Option | undefined =>
  optionsOf(command).find(({ long, short }) => long === word || short === word);

const toCandidates = ({ long, description }: Option): Candidate[] =>
  long ? [{ value: long, description }] : [];

function ofValue(option: Option, typed: string): Completion {
  const choices = (option.argChoices ?? []).map((value) => ({ value, description: "" }));
  return { candidates: matching(choices, typed), names: thingOf(option.attributeName()) };
}

const thingOf = (name: string | undefined): NamedThing | undefined =>
  NAMED_THINGS.find((each) => each === name);

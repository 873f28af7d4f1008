/** What the command line says. */
import { parseArgs } from "node:util";
import { MUTATIONS, type MutationName } from "./mutations/index.ts";

export interface PlantedOptions {
  names: MutationName[];
  /** The catchers run in a copy without any mistake, and are to find nothing. */
  isControl: boolean;
  /** The copy stays, with what the catchers leave behind. */
  isKept: boolean;
}

/** A mistake of the caller's: one sentence, status 2. */
export class UsageError extends Error {}

const NAMES = Object.keys(MUTATIONS) as MutationName[];

export const HELP = `npm run planted -- [options]

Makes mistakes in a copy of the project, one at a time, and runs who has to find each: the torture or the model. Prints
by which invariant each was caught and after how long; the status is 1 where one was missed.

  --only a,b   some of them, by name or by who catches them: model, torture
  --control    runs the same catchers in a copy without a mistake: they are to find nothing
  --keep       keeps the copy, with the evidence of what was found, and prints where it is
  --list       their names, and what is wrong
  --help       this text

docs/planted.md has what catches each, and how long all of them take.`;

export const list = (): string =>
  NAMES.map(
    (name) => `${name.padEnd(34)}${MUTATIONS[name].catcher.by.padEnd(9)}${MUTATIONS[name].what}`,
  ).join("\n");

export function parseOptions(args: string[]): PlantedOptions | "help" | "list" {
  const { only, control, keep, ...asked } = parse(args);
  if (asked.help) return "help";
  if (asked.list) return "list";
  return { names: only === undefined ? NAMES : readNames(only), isControl: control, isKept: keep };
}

function parse(args: string[]) {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args,
      options: {
        only: { type: "string" },
        control: flag,
        keep: flag,
        list: flag,
        help: { ...flag, short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nnpm run planted -- --help tells the options.`);
  }
}

function readNames(text: string): MutationName[] {
  const asked = text.split(",").map((each) => each.trim());
  const chosen = NAMES.filter((name) => asked.includes(name) || asked.includes(MUTATIONS[name].catcher.by));
  const unknown = asked.find(
    (each) => !chosen.some((name) => name === each || MUTATIONS[name].catcher.by === each),
  );
  if (unknown === undefined) return chosen;
  throw new UsageError(
    `There is no mutation ${JSON.stringify(unknown)}; npm run planted -- --list tells their names.`,
  );
}

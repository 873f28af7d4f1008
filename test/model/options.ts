/** What the command line says. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { MAX_SEED } from "./explore/explore.ts";
import { isPlantedBug, PLANTED_BUGS, type PlantedBug } from "./planted-bugs.ts";

export interface ModelOptions {
  interleavings: number;
  seed: number;
  /** The mistake that the model makes; null: none. */
  bug: PlantedBug | null;
  /** How many explore at once. */
  jobs: number;
  /** The depth of an exhaustive search instead; null: interleavings are drawn. */
  exhaustive: number | null;
}

/** A mistake of the caller's: one sentence, status 2. */
export class UsageError extends Error {}

const names = Object.entries(PLANTED_BUGS).map(([name, what]) => `  ${name.padEnd(33)}${what}`);

export const HELP = `npm run model -- [options]

Explores interleavings of a model: schedulers, workers, an API and a database in memory on a virtual clock, with crashes,
lost messages and slow connections at every step, against what Bellhop guarantees. Decisions are the project's own.
Prints how many interleavings it has seen, and of the first violation the shortest trace; the status is 1 then.

  --interleavings N  how many; default 20000
  --seed S           of the first, each further one has the next; default: another one each time
  --bug NAME         a mistake that the model makes, which is to be found
  --jobs N           how many threads explore; default: one for each core, and for 2000 interleavings
  --exhaustive DEPTH instead: every order of the first moves of small configurations, with one fault at most
  --help             this text

Mistakes:
${names.join("\n")}

docs/model.md tells what is in the model, and how to read a violation.`;

export function parseOptions(args: string[]): ModelOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const interleavings = readWhole("--interleavings", values.interleavings, 1, 1e9);
  return {
    interleavings,
    seed:
      values.seed === undefined
        ? Math.floor(Math.random() * MAX_SEED)
        : readWhole("--seed", values.seed, 0, MAX_SEED),
    bug: readBug(values.bug),
    jobs:
      values.jobs === undefined
        ? Math.min(availableParallelism(), Math.ceil(interleavings / 2_000))
        : readWhole("--jobs", values.jobs, 1, 64),
    exhaustive:
      values.exhaustive === undefined ? null : readWhole("--exhaustive", values.exhaustive, 1, 1_000),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        interleavings: { type: "string", default: "20000" },
        seed: { type: "string" },
        bug: { type: "string" },
        jobs: { type: "string" },
        exhaustive: { type: "string" },
        help: { type: "boolean", default: false, short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nnpm run model -- --help tells the options.`);
  }
}

function readWhole(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(text)}.`);
}

function readBug(name: string | undefined): PlantedBug | null {
  if (name === undefined) return null;
  if (isPlantedBug(name)) return name;
  throw new UsageError(
    `There is no mistake ${JSON.stringify(name)}; there are ${Object.keys(PLANTED_BUGS).join(", ")}.`,
  );
}

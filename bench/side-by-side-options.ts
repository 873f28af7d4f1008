/** What the command line of side-by-side.ts says. What cannot be is said in a sentence, with status 2. */
import { parseArgs } from "node:util";

/** What `--only` calls a kind, and what it is. */
interface NamedKind {
  name: string;
  title: string;
}

const DEFAULTS = { only: "http,queue,function,limit,direct", rounds: "5", runs: "3000" };

const describe = (kinds: readonly NamedKind[]) => `node bench/side-by-side.ts [options]

Measures the whole system of this checkout, and that of another one, in turns: processor time by process, and the rate.
Tasks are made as bench/peers makes them, with answers that hold an id and no more.

  --against DIR  the other checkout [none: the kinds of this one are compared]
  --only LIST    kinds, of those below [${DEFAULTS.only}]
  --rounds N     rounds that count, after one that warms all up [${DEFAULTS.rounds}]
  --runs N       runs of each kind in a round [${DEFAULTS.runs}]
  --help         this text

${kinds.map(({ name, title }) => `  ${name.padEnd(17)}${title}`).join("\n")}
`;

function refuse(message: string): never {
  process.stderr.write(`${message}\nnode bench/side-by-side.ts --help tells the options.\n`);
  process.exit(2);
}

function parse() {
  const text = (byDefault: string) => ({ type: "string", default: byDefault }) as const;
  try {
    return parseArgs({
      options: {
        against: { type: "string" },
        only: text(DEFAULTS.only),
        rounds: text(DEFAULTS.rounds),
        runs: text(DEFAULTS.runs),
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    refuse((error as Error).message);
  }
}

function readWhole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) refuse(`--${name} takes a whole number, not ${text}.`);
  return value;
}

/** Does not come back where `--help` was asked for. */
export function readOptions<Kind extends NamedKind>(all: readonly Kind[]) {
  const { against, only, help, ...given } = parse();
  if (help) {
    process.stdout.write(describe(all));
    process.exit();
  }
  const wanted = new Set(only.split(","));
  const kinds = all.filter(({ name }) => wanted.delete(name));
  if (wanted.size > 0)
    refuse(`--only takes ${all.map(({ name }) => name).join(", ")}, not ${[...wanted].join(", ")}.`);
  return {
    ...{ against, kinds },
    runs: readWhole("runs", given.runs),
    rounds: readWhole("rounds", given.rounds),
  };
}

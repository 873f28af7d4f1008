/** What the command line says. */
import { parseArgs } from "node:util";
import { FAULT_KINDS, type FaultKind } from "./faults/fault.ts";

export interface TortureOptions {
  /** Of work under faults; healing, the end of the work and the checks come besides. */
  minutes: number;
  seed: number;
  faults: FaultKind[];
  /** Requests a second that the workload makes, about. */
  ratePerSecond: number;
  /** How many times larger than usual batches are. */
  bulk: number;
  transport: "kafka" | "postgres";
  /** So long it waits for all to end once the work has. */
  patienceSeconds: number;
  /** The evidence stays where there was no violation, too. */
  isKept: boolean;
}

/** A mistake of the caller's: one sentence, status 2. */
export class UsageError extends Error {}

export const HELP = `npm run torture -- [options]

Runs every role as processes on a PostgreSQL and a Kafka of their own, gives them random work, harms all of them by a
schedule of faults, heals them, waits until everything has ended, and checks what is left against the guarantees.
Prints what was done and every violation; the status is 1 where there is one, and the seed is printed.

  --minutes M        how long faults go on; default 2
  --seed S           of the work and of the faults; default: another one each time
  --faults a,b       ${FAULT_KINDS.join(", ")}; default: all
  --rate R           requests of the work a second, about; default 30
  --bulk B           batches make so many times more runs than usual; default 1
  --transport T      kafka or postgres; default kafka, which needs java and mvn
  --patience S       seconds to wait, once the work has ended, until nothing is under way; default 180
  --keep             keeps the folder with the evidence and the roles' logs; where there is a violation it stays anyway
  --help             this text

docs/torture.md tells what is checked, and how to read and replay a violation.`;

const MAX_SEED = 2 ** 32 - 1;
/** A batch has at most a thousand tasks. */
const MAX_BULK = 25;

export function parseOptions(args: string[]): TortureOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  return {
    minutes: readNumber("--minutes", values.minutes, 0.1, 24 * 60),
    seed: values.seed === undefined ? Math.floor(Math.random() * MAX_SEED) : readSeed(values.seed),
    faults: readFaults(values.faults),
    ratePerSecond: readNumber("--rate", values.rate, 1, 1_000),
    bulk: readNumber("--bulk", values.bulk, 1, MAX_BULK),
    transport: readTransport(values.transport),
    patienceSeconds: readNumber("--patience", values.patience, 1, 3_600),
    isKept: values.keep,
  };
}

function parse(args: string[]) {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args,
      options: {
        minutes: { type: "string", default: "2" },
        seed: { type: "string" },
        faults: { type: "string" },
        rate: { type: "string", default: "30" },
        bulk: { type: "string", default: "1" },
        transport: { type: "string", default: "kafka" },
        patience: { type: "string", default: "180" },
        keep: flag,
        help: { ...flag, short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nnpm run torture -- --help tells the options.`);
  }
}

function readNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new UsageError(`${name} is a number from ${min} to ${max}, not ${JSON.stringify(text)}.`);
}

function readSeed(text: string): number {
  const seed = readNumber("--seed", text, 0, MAX_SEED);
  if (!Number.isInteger(seed)) throw new UsageError(`--seed is a whole number, not ${text}.`);
  return seed;
}

function readFaults(text: string | undefined): FaultKind[] {
  if (text === undefined) return [...FAULT_KINDS];
  return text.split(",").map((name) => {
    const kind = FAULT_KINDS.find((each) => each === name.trim());
    if (kind) return kind;
    throw new UsageError(
      `There is no fault ${JSON.stringify(name.trim())}; there are ${FAULT_KINDS.join(", ")}.`,
    );
  });
}

function readTransport(text: string): "kafka" | "postgres" {
  if (text === "kafka" || text === "postgres") return text;
  throw new UsageError(`--transport is kafka or postgres, not ${JSON.stringify(text)}.`);
}

/** `npm run attacks`: strangers' code at its worst against the running system, and what came of each. */
import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { startTestPostgres } from "../support/servers.ts";
import { Arena, type Bout } from "./arena.ts";
import type { Attack } from "./attack.ts";
import { CATALOGUE } from "./catalogue/index.ts";
import { FORGERIES, Forge, type Forgery } from "./forged/forgeries.ts";
import { brief } from "./judge.ts";

const MEGABYTE = 1_048_576;
const WORST = 10;

const HELP = `npm run attacks -- [options]

Starts an API, a scheduler and a worker on a PostgreSQL of their own, deploys each attack as a function, runs it, and
prints what it tried, what it got, how long it took and how much memory all processes together took for it.
Ends with a count; the status is 1 when an attack got what it must not get.

  --name REGEX   only attacks whose name, or "family: name", matches
  --list         prints the names alone
  --help         this text

  TEST_DATABASE_URL   a PostgreSQL to use, of a role that may create databases; without it one is started`;

interface Row {
  name: string;
  bout: Bout;
}

type Entry = { name: string; attack: Attack } | { name: string; forgery: Forgery };

function select(pattern: string): Entry[] {
  const regex = new RegExp(pattern, "i");
  const attacks = Object.entries(CATALOGUE).flatMap(([family, list]) =>
    list.map((attack): Entry => ({ name: `${family}: ${attack.name}`, attack })),
  );
  const forgeries = FORGERIES.map((forgery): Entry => ({ name: `forged: ${forgery.name}`, forgery }));
  return [...attacks, ...forgeries].filter(({ name }) => regex.test(name));
}

function describe({ outcome }: Bout): string {
  return outcome.kind === "answered"
    ? `answered ${brief(outcome.answer).slice(0, 60)}`
    : `${outcome.kind}: ${outcome.code}`;
}

function print({ name, bout }: Row): void {
  const { tookMs, growthBytes, faults } = bout;
  const memory = growthBytes === undefined ? "" : `+${Math.round(growthBytes / MEGABYTE)} MB`;
  const figures = `${Math.round(tookMs).toString().padStart(5)} ms ${memory.padStart(8)}`;
  console.log(`${faults.length === 0 ? "ok  " : "FAIL"} ${figures}  ${name} → ${describe(bout)}`);
  for (const fault of faults) console.log(`       ${fault}`);
}

function printWorst(rows: Row[]): void {
  const byMemory = rows
    .filter(({ bout }) => bout.growthBytes !== undefined)
    .sort((a, b) => b.bout.growthBytes! - a.bout.growthBytes!);
  console.log("\nThe most memory:");
  for (const { name, bout } of byMemory.slice(0, WORST)) {
    console.log(`  +${Math.round(bout.growthBytes! / MEGABYTE)} MB  ${name}`);
  }
  const byNeighbour = [...rows].sort((a, b) => b.bout.neighbourMs - a.bout.neighbourMs);
  console.log("\nThe longest that a neighbour waited:");
  for (const { name, bout } of byNeighbour.slice(0, WORST)) {
    console.log(`  ${Math.round(bout.neighbourMs)} ms  ${name}`);
  }
}

async function run(entries: Entry[]): Promise<number> {
  const server = process.env["TEST_DATABASE_URL"] ? undefined : await startTestPostgres();
  if (server) process.env["TEST_DATABASE_URL"] = server.address;
  const rows: Row[] = [];
  let arena: Arena | undefined;
  let forge: Forge | undefined;
  try {
    for (const entry of entries) {
      let bout: Bout;
      if ("attack" in entry) {
        arena ??= await Arena.start();
        bout = await arena.fight(entry.attack);
      } else {
        forge ??= new Forge();
        bout = await forge.try(entry.forgery);
      }
      const row = { name: entry.name, bout };
      rows.push(row);
      print(row);
    }
  } finally {
    await forge?.close();
    await arena?.stop();
    await server?.stop();
  }
  if (rows.length > WORST) printWorst(rows);
  const failed = rows.filter(({ bout }) => bout.faults.length > 0).length;
  console.log(`\n${rows.length - failed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const entries = select(values.name);
  if (entries.length === 0) throw new Error(`No attack's name matches ${values.name}.`);
  if (!values.list) return await run(entries);
  for (const { name } of entries) console.log(name);
  return 0;
}

// The support of tests that is used here would print a report of its own at a plain end.
try {
  process.exit(await main());
} catch (error) {
  console.error(messageOf(error));
  process.exit(2);
}

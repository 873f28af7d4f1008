/** `npm run model`: interleavings of the model, until one violates a guarantee; or a search through small configurations. */
import { messageOf } from "../../core/errors.ts";
import { exhaust, SMALL_CONFIGURATIONS } from "./explore/exhaust.ts";
import type { Interleaving } from "./explore/interleave.ts";
import { exploreInParallel } from "./explore/parallel.ts";
import { tellViolation } from "./explore/tell-violation.ts";
import { HELP, type ModelOptions, parseOptions, UsageError } from "./options.ts";
import type { HasBug } from "./planted-bugs.ts";

const startedMs = Date.now();
const secondsSince = (ms: number) => Math.max((Date.now() - ms) / 1_000, 0.001);

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  return options.exhaustive === null ? await drawInterleavings(options) : search(options, options.exhaustive);
}

async function drawInterleavings(options: ModelOptions): Promise<number> {
  const { bug, jobs, seed } = options;
  const tell = ({ interleavings, moves }: { interleavings: number; moves: number }) => {
    const seconds = secondsSince(startedMs);
    const perMinute = Math.round((interleavings / seconds) * 60);
    const perCore = jobs > 1 ? `, ${Math.round(perMinute / jobs)} on each of ${jobs} cores` : "";
    console.log(
      `${Math.round(seconds)} s: ${interleavings} interleavings, ${moves} moves, ${perMinute} interleavings a minute${perCore}`,
    );
  };
  console.log(`seed ${seed}${bug ? `, with ${bug}` : ""}`);
  const explored = await exploreInParallel({ ...options, onProgress: tell });
  tell(explored);
  const { found } = explored;
  const again =
    found && `npm run model -- --interleavings 1 --seed ${found.seed}${bug ? ` --bug ${bug}` : ""}`;
  return tellFound(found, (name) => name === bug, again);
}

function search({ bug }: ModelOptions, depth: number): number {
  const hasBug: HasBug = (name) => name === bug;
  for (const configuration of SMALL_CONFIGURATIONS) {
    const beganMs = Date.now();
    const tell = ({ states, moves }: { states: number; moves: number }) =>
      console.log(`${Math.round(secondsSince(beganMs))} s: ${states} states, ${moves} moves`);
    console.log(`${configuration.name}, ${depth} moves deep${bug ? `, with ${bug}` : ""}`);
    const exhausted = exhaust({ configuration, depth, hasBug, onProgress: tell });
    tell(exhausted);
    if (exhausted.found) return tellFound(exhausted.found, hasBug, undefined);
  }
  return tellFound(undefined, hasBug, undefined);
}

function tellFound(found: Interleaving | undefined, hasBug: HasBug, again: string | undefined): number {
  if (!found) {
    console.log("no violation");
    return 0;
  }
  console.log(`\n${tellViolation(found, hasBug)}`);
  if (again) console.log(`\nagain: ${again}`);
  return 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

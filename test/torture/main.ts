/** `npm run torture`: random work, faults from a seed, and an oracle that says whether the guarantees held. */
import { messageOf } from "../../core/errors.ts";
import { HELP, parseOptions, type TortureOptions, UsageError } from "./options.ts";
import { removeEvidence, runTorture, type TortureResult } from "./torture.ts";

/** More of them tell nothing new. */
const SHOWN_VIOLATIONS = 20;

function report(options: TortureOptions, { judgement, answered, faults, unaskedExits }: TortureResult): void {
  const { tasks, runs, ends, requests, rescued, changes, invariants, violations } = judgement;
  const counts = (entries: Iterable<readonly [string, number]>) =>
    [...entries].map(([name, count]) => `${name} ${count}`).join(", ");
  const total = [...faults.values()].reduce((sum, count) => sum + count, 0);
  console.log(`
seed         ${options.seed}, ${options.minutes} min, ${options.transport}
work         ${answered} requests answered, ${tasks} tasks, ${runs} runs, ${requests} requests at targets
runs         ${counts(Object.entries(ends))}; ${rescued} lost a worker
faults       ${total}: ${counts(faults)}
judged       ${changes} changes of runs by ${invariants.length} invariants`);
  for (const exit of unaskedExits) console.log(`exit         ${exit}`);
  for (const [name, found] of Map.groupBy(violations, ({ invariant }) => invariant)) {
    console.log(`\nVIOLATED ${name}: ${found.length}`);
    for (const { what } of found.slice(0, SHOWN_VIOLATIONS)) console.log(`  ${what}`);
  }
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  const beganMs = Date.now();
  const tell = (line: string) => console.log(`${Math.round((Date.now() - beganMs) / 1_000)} s: ${line}`);
  tell(`seed ${options.seed}`);
  const result = await runTorture(options, tell);
  report(options, result);
  const count = result.judgement.violations.length;
  if (count === 0 && !options.isKept) await removeEvidence(result.folder);
  else console.log(`\nevidence     ${result.folder}`);
  console.log(`\n${count} violations; seed ${options.seed}`);
  return count === 0 ? 0 : 1;
}

// The support of tests that is used here would print a report of its own at a plain end.
try {
  process.exit(await main());
} catch (error) {
  console.error(messageOf(error));
  process.exit(error instanceof UsageError ? 2 : 1);
}

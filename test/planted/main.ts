/** `npm run planted`: mistakes in a copy of the project, each of which the torture or the model has to find. */
import { messageOf } from "../../core/errors.ts";
import { copyProject, type ProjectCopy } from "./copy-project.ts";
import { MUTATIONS, type MutationName } from "./mutations/index.ts";
import { HELP, list, parseOptions, UsageError } from "./options.ts";
import { hunt, plant } from "./plant.ts";
import type { Catch } from "./run-catcher.ts";

const SHOWN_LINES = 20;

function tell(verdict: string, name: MutationName, { violated, seconds }: Catch): void {
  const by = violated.length > 0 ? violated.join(", ") : "nothing was violated";
  const cells = [verdict.padEnd(9), name.padEnd(34), MUTATIONS[name].catcher.by.padEnd(9)];
  console.log([...cells, `${Math.round(seconds)} s`.padEnd(7), by].join(""));
}

/** What the catcher said at last. */
const tellMore = ({ lines }: Catch) =>
  console.log(lines.slice(-SHOWN_LINES).join("\n").replaceAll(/^/gm, "    "));

/** Whether it was as it should be. */
async function huntOne(copy: ProjectCopy, name: MutationName, isControl: boolean): Promise<boolean> {
  const mutation = MUTATIONS[name];
  if (!isControl) {
    const found = await plant(copy, mutation);
    tell(found.isCaught ? "caught" : "MISSED", name, found);
    if (!found.isCaught) tellMore(found);
    return found.isCaught;
  }
  const found = await hunt(copy, mutation);
  const isQuiet = !found.hasFailed && found.violated.length === 0;
  tell(isQuiet ? "quiet" : "FOUND", name, found);
  if (!isQuiet) tellMore(found);
  return isQuiet;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (typeof options === "string") {
    console.log(options === "help" ? HELP : list());
    return 0;
  }
  const copy = await copyProject();
  const beganMs = performance.now();
  const wrong: string[] = [];
  try {
    for (const name of options.names) if (!(await huntOne(copy, name, options.isControl))) wrong.push(name);
  } finally {
    if (options.isKept) console.log(`\ncopy and evidence: ${copy.folder}`);
    else await copy.remove();
  }
  const minutes = ((performance.now() - beganMs) / 60_000).toFixed(1);
  const count = options.names.length;
  console.log(
    `\n${count - wrong.length} of ${count} ${options.isControl ? "quiet" : "caught"} in ${minutes} minutes`,
  );
  if (wrong.length > 0) console.log(`not: ${wrong.join(", ")}`);
  return wrong.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

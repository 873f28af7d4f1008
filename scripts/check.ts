/**
 * What `npm run check` does: every step, as many at once as there are processors. What a step prints comes in one piece,
 * in the order of the list; one that fails stops none of the others.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";

/** Others read what it makes: it comes before them. Run by a shell, as they are, with the pinned programs first on its path. */
const FIRST = "node client/build.ts";
const STEPS = [
  "tsc -p .",
  "tsc -p cli && tsc -p console",
  "biome ci --colors=off --error-on-warnings .",
  "depcruise --config .dependency-cruiser.cjs api cli console core functions runtime scheduler standalone",
  "tsc -p functions/samples",
  "node functions/guest/build/check-budget.ts",
  "node scripts/lint-openapi.ts",
];

interface Result {
  step: string;
  output: string;
  failure: string | undefined;
}

async function run(step: string): Promise<Result> {
  const child = spawn(step, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { step, output, failure: code === 0 ? undefined : (signal ?? `status ${code}`) };
}

function tell({ step, output, failure }: Result): void {
  process.stdout.write(`> ${step}\n${output}`);
  if (failure === undefined) return;
  process.stdout.write(`✖ ${step}: ${failure}\n`);
  process.exitCode = 1;
}

tell(await run(FIRST));
const results = STEPS.map(() => Promise.withResolvers<Result>());
const next = STEPS.entries();

async function work(): Promise<void> {
  for (const [index, step] of next) results[index]!.resolve(await run(step));
}

const working = Array.from({ length: availableParallelism() }, work);
for (const { promise } of results) tell(await promise);
await Promise.all(working);

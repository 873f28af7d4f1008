/** `npm run simulate-scaling`: draws each load shape as the autoscaler meets it, into docs/scaling. */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { drawSimulation } from "./draw.ts";
import { LOAD_SHAPES } from "./loads.ts";
import { type Simulation, simulate } from "./simulate.ts";

export const PICTURES = new URL("../../docs/scaling/", import.meta.url);

const HELP = `npm run simulate-scaling

Runs the autoscaler's own code against each load shape, within a simulated clock, prints what it did,
and draws runs and workers over time into docs/scaling/*.svg.
`;

function describe({ shape, samples, steps, maxWaitMs, drainedSecond }: Simulation): string {
  const most = Math.max(...samples.map(({ starting, up }) => starting + up));
  const moves = steps.map(({ second, before, workers }) => `${second.toFixed(1)} s: ${before} → ${workers}`);
  return `${shape.title}\n  most workers ${most}, longest wait ${maxWaitMs} ms, drained at ${drainedSecond} s\n  ${moves.join(", ")}\n`;
}

async function main(args: string[]): Promise<void> {
  if (args.length > 0) {
    process.stdout.write(HELP);
    process.exitCode = args.every((arg) => arg === "--help" || arg === "-h") ? 0 : 2;
    return;
  }
  await mkdir(PICTURES, { recursive: true });
  for (const shape of LOAD_SHAPES) {
    const simulation = await simulate(shape);
    await writeFile(new URL(`${shape.name}.svg`, PICTURES), drawSimulation(simulation));
    process.stdout.write(describe(simulation));
  }
  process.stdout.write(`Drawn into ${fileURLToPath(PICTURES)}\n`);
}

if (import.meta.main) await main(process.argv.slice(2));

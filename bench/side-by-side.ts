/**
 * The whole system of this checkout and of another one, in turns in one run: runs that are due at one instant, by the
 * kind of task, direct calls, and tasks that are made for later. Without another checkout it compares the kinds. What
 * counts is the processor time of all processes of a system: it stands, more or less, where other work makes the clock
 * useless. `--help` tells its options.
 */
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MEDIUM, MEDIUM_INPUT, TRIVIAL } from "./calls.ts";
import { listChildren, processorUsByProcess, ticksByProcess } from "./process-times.ts";
import { lastRunId, prepare, type TaskBody, waitForRuns } from "./scenarios.ts";
import { readOptions } from "./side-by-side-options.ts";
import { forEachConcurrently, spreadOf } from "./stats.ts";
import { type BenchSystem, MINIMAL, type startSystem } from "./system.ts";

const ROOT = join(import.meta.dirname, "..");
const HIGH_LIMIT = 1_000;
const FAR_LIMIT = 100_000;
const CALLERS = 64;
/** What `POST /v1/tasks/batch` takes at once. */
const BULK = 1_000;
const BULKS_AT_ONCE = 4;
/** Of tasks that are made and not run: no round of a benchmark lasts so long. */
const LATER = { schedule: { delay: "30d" } };

interface Side {
  name: string;
  system: BenchSystem;
  /** The first of its processes: what they start is its own, too. */
  roots: number[];
}

interface Kind {
  /** What `--only` calls it. */
  name: string;
  title: string;
  measure(side: Side): Promise<Figures>;
}

interface Figures {
  /** By process: `PostgreSQL`, or the folder of what it runs. */
  processorUs: Map<string, number>;
  perSecond: number;
}

async function openSide(name: string, root: string): Promise<Side> {
  const before = new Set(listChildren(process.pid));
  const { startSystem: start }: { startSystem: typeof startSystem } = await import(
    join(root, "bench/system.ts")
  );
  const system = await start(undefined);
  await prepare(system);
  await system.call("PUT", "/v1/functions/limited", {
    source: "export default async () => null;",
    limits: { concurrency: HIGH_LIMIT },
  });
  await system.call("PUT", "/v1/queues/far", { concurrency: FAR_LIMIT });
  await system.call("PUT", "/v1/functions/trivial", { source: TRIVIAL, public: true });
  await system.call("PUT", "/v1/functions/medium", { source: MEDIUM, public: true });
  const roots = listChildren(process.pid).filter((pid) => !before.has(pid));
  return { name, system, roots };
}

/** `work` answers the instant of its last run's end. */
async function clocked(side: Side, work: () => Promise<number>): Promise<Figures> {
  const before = ticksByProcess(side.roots);
  const beganMs = Date.now();
  const endedMs = await work();
  const processorUs = processorUsByProcess(side.roots, before, runs);
  return { processorUs, perSecond: (runs / (endedMs - beganMs)) * 1_000 };
}

async function waitForLastEnd({ system }: Side, after: string): Promise<number> {
  const ended = await waitForRuns(system, after, runs);
  return Math.max(...ended.map(({ finishedMs }) => finishedMs));
}

/** So many tasks, one a POST. */
async function createEach({ system }: Side, body: TaskBody): Promise<void> {
  const create = async () => void (await system.call("POST", "/v1/tasks", body, MINIMAL));
  await forEachConcurrently(runs, CALLERS, create);
}

/** From the instant at which all are due until all are recorded. */
async function measureHerd(side: Side, body: TaskBody): Promise<Figures> {
  const { system } = side;
  const after = await lastRunId(system);
  const at = new Date(Date.now() + runs * 8 + 4_000);
  const task = { ...body, schedule: { at: at.toISOString() } };
  await createEach(side, task);
  const leftMs = at.getTime() - Date.now();
  if (leftMs < 0) throw new Error("This machine makes tasks too slowly for the herd: lower --runs.");
  await delay(leftMs);
  return await clocked(side, () => waitForLastEnd(side, after));
}

const httpTask = ({ system }: Side): TaskBody => ({
  type: "http",
  method: "POST",
  url: system.sinkUrl,
  body: { n: 1 },
});

/** From the first POST until all are recorded. */
async function measureNow(side: Side, body: TaskBody): Promise<Figures> {
  const { system } = side;
  return await clocked(side, async () => {
    const after = await lastRunId(system);
    await createEach(side, body);
    return await waitForLastEnd(side, after);
  });
}

async function measureCalls(side: Side, path: string, input: unknown): Promise<Figures> {
  const { system } = side;
  return await clocked(side, async () => {
    const after = await lastRunId(system);
    const call = async () => void (await system.call("POST", path, input));
    await forEachConcurrently(runs, CALLERS / 2, call);
    return await waitForLastEnd(side, after);
  });
}

/** From the first POST until all are answered, each of one task. */
async function measureCreate(side: Side, body: TaskBody): Promise<Figures> {
  return await clocked(side, async () => {
    await createEach(side, body);
    return Date.now();
  });
}

/** The same, a thousand tasks a POST. */
async function measureBulk(side: Side, body: TaskBody): Promise<Figures> {
  const { call } = side.system;
  const sizes = Array.from({ length: Math.ceil(runs / BULK) }, (_, nth) => Math.min(BULK, runs - nth * BULK));
  return await clocked(side, async () => {
    await forEachConcurrently(sizes.length, BULKS_AT_ONCE, async (nth) => {
      const items = Array.from({ length: sizes[nth]! }, () => body);
      const answer = (await call("POST", "/v1/tasks/batch", { items }, MINIMAL)) as {
        items: { status: number }[];
      };
      if (answer.items.some(({ status }) => status !== 201)) throw new Error("a task was not made");
    });
    return Date.now();
  });
}

const FUNCTION_TASK: TaskBody = { type: "function", function: "noop" };

const KINDS: Kind[] = [
  {
    name: "http",
    title: "http task",
    measure: (side) => measureHerd(side, httpTask(side)),
  },
  {
    name: "queue",
    title: "http task, queue's limit far off",
    measure: (side) => measureHerd(side, { ...httpTask(side), queue: "far" }),
  },
  { name: "now", title: "http task, from its POST on", measure: (side) => measureNow(side, httpTask(side)) },
  {
    name: "now-queue",
    title: "the same, queue's limit far off",
    measure: (side) => measureNow(side, { ...httpTask(side), queue: "far" }),
  },
  {
    name: "function",
    title: "function",
    measure: (side) => measureHerd(side, FUNCTION_TASK),
  },
  {
    name: "limit",
    title: "function, limit far off",
    measure: (side) => measureHerd(side, { type: "function", function: "limited" }),
  },
  {
    name: "direct",
    title: "direct call",
    measure: (side) => measureCalls(side, "/v1/functions/noop/invoke", null),
  },
  {
    name: "url",
    title: "call of a URL",
    measure: (side) => measureCalls(side, "/fn/default/trivial", { a: 1 }),
  },
  {
    name: "medium",
    title: "call of a URL with 20 KB of JSON",
    measure: (side) => measureCalls(side, "/fn/default/medium", MEDIUM_INPUT),
  },
  {
    name: "create",
    title: "http task made for later",
    measure: (side) => measureCreate(side, { ...httpTask(side), ...LATER }),
  },
  {
    name: "create-function",
    title: "function's task made for later",
    measure: (side) => measureCreate(side, { ...FUNCTION_TASK, ...LATER }),
  },
  {
    name: "bulk",
    title: "http tasks, a thousand a POST",
    measure: (side) => measureBulk(side, { ...httpTask(side), ...LATER }),
  },
  {
    name: "bulk-function",
    title: "functions' tasks, the same",
    measure: (side) => measureBulk(side, { ...FUNCTION_TASK, ...LATER }),
  },
];

const { against, runs, rounds, kinds } = readOptions(KINDS);

const sumOf = (figures: Map<string, number>) => [...figures.values()].reduce((sum, us) => sum + us, 0);

function printFigures(title: string, all: Figures[]): void {
  const us = spreadOf(all.map((each) => sumOf(each.processorUs)));
  const rate = spreadOf(all.map((each) => each.perSecond));
  console.log(
    `  ${title.padEnd(30)} processor ${us.p50.toFixed(0)} µs a run (${us.min.toFixed(0)}–${us.max.toFixed(0)})` +
      `   ${rate.p50.toFixed(0)} a second (${rate.min.toFixed(0)}–${rate.max.toFixed(0)})`,
  );
  const names = [...new Set(all.flatMap(({ processorUs }) => [...processorUs.keys()]))].toSorted();
  const medians = names.map((name) => {
    const { p50 } = spreadOf(all.map(({ processorUs }) => processorUs.get(name) ?? 0));
    return `${name} ${p50.toFixed(0)}`;
  });
  console.log(`  ${"".padEnd(30)} ${medians.join(", ")}`);
}

const sides: Side[] = [];
try {
  if (against) sides.push(await openSide("other", resolve(against)));
  sides.push(await openSide("this", ROOT));
  const figures = new Map<string, Figures[]>();
  // The first round warms all up. Both orders change, so that nobody always comes after the same other.
  for (let round = 0; round <= rounds; round += 1)
    for (const kind of (round >> 1) % 2 === 0 ? kinds : kinds.toReversed())
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const measured = await kind.measure(side);
        const name = `${kind.title}, ${side.name}`;
        if (round > 0) figures.set(name, [...(figures.get(name) ?? []), measured]);
      }
  console.log(`median and spread of ${rounds} rounds of ${runs} runs; other: ${against ?? "none"}`);
  for (const [title, all] of [...figures].toSorted()) printFigures(title, all);
} finally {
  for (const { system } of sides) await system.stop();
}

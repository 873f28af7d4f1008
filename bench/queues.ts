/**
 * What limits cost: runs without one, with one far above the load and with one that binds; what comes and goes beside very
 * many that wait; and how closely a rate is kept.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { processorUsByProcess, ticksByProcess } from "./process-times.ts";
import { measureRates, type RateFigures } from "./rates.ts";
import { measureEndToEnd, type TaskBody } from "./scenarios.ts";
import { forEachConcurrently, type Spread, spreadOf } from "./stats.ts";
import type { BenchSystem } from "./system.ts";

/** What `POST /v1/tasks/batch` takes at once. */
const BATCH = 1_000;
const FAR = 100_000;
const BINDING = 10;
const RUNNING = 10;

export interface QueueFigures {
  noLimit: Rounds;
  farLimit: Rounds;
  bindingLimit: Rounds;
  waiting: WaitingFigures[];
  rates: RateFigures[];
}

/** Of each round. */
export interface Rounds {
  /** From the first POST to the last run recorded. */
  runsPerSecond: number[];
  /** Of a run, by process: it tells more than the clock where the machine has other work. */
  processorUs: Record<string, number>[];
}

export interface WaitingFigures {
  waiting: number;
  running: number;
  /** Beside them, of runs without a limit. */
  runsPerSecond: number;
  /** The mean of the worker's claims meanwhile. */
  claimMs: number;
  /** From the end of one of those that run to the start of the next. */
  nextMs: Spread;
}

/** @param waiting how many runs wait, for each time that it is measured */
export async function measureQueues(
  system: BenchSystem,
  body: TaskBody,
  given: { runs: number; times: number; waiting: number[] },
): Promise<QueueFigures> {
  const { runs, times } = given;
  await system.call("PUT", "/v1/queues/far", { concurrency: FAR });
  await system.call("PUT", "/v1/queues/binding", { concurrency: BINDING });
  const figures: QueueFigures = {
    ...{ noLimit: noRounds(), farLimit: noRounds(), bindingLimit: noRounds(), waiting: [] },
    rates: await measureRates(system, body),
  };
  const compared = [
    [figures.noLimit, body],
    [figures.farLimit, { ...body, queue: "far" }],
  ] as const;
  // The first round warms all up. Each of the two that are compared comes first as often as the other, and nothing comes
  // between them: whatever follows the runs of a binding limit, which leave the system idle for seconds, is slower.
  for (let round = 0; round <= times; round += 1)
    for (const [rounds, task] of round % 2 === 0 ? compared : compared.toReversed())
      await measureRound(system, task, runs, round > 0 ? rounds : noRounds());
  for (let round = 0; round < times; round += 1)
    await measureRound(system, { ...body, queue: "binding" }, runs, figures.bindingLimit);
  for (const waiting of given.waiting)
    figures.waiting.push(await measureBesideWaiting(system, body, waiting, runs));
  return figures;
}

const noRounds = (): Rounds => ({ runsPerSecond: [], processorUs: [] });

async function measureRound(system: BenchSystem, task: TaskBody, runs: number, into: Rounds): Promise<void> {
  const before = ticksByProcess(system.roots);
  into.runsPerSecond.push(await measureEndToEnd(system, task, runs));
  into.processorUs.push(Object.fromEntries(processorUsByProcess(system.roots, before, runs)));
}

/** By what was measured, the medians of all transports in one line. */
export function toLines(byTransport: Record<string, QueueFigures>): string[] {
  const names = Object.keys(byTransport);
  const line = (what: string, read: (figures: QueueFigures) => number, digits = 1) =>
    `  ${what.padEnd(58)} ${names.map((name) => read(byTransport[name]!).toFixed(digits).padStart(10)).join(" ")}`;
  const rateOf = ({ runsPerSecond }: Rounds) => medianOf(runsPerSecond);
  const [first] = Object.values(byTransport);
  const processes = Object.keys(first?.noLimit.processorUs[0] ?? {});
  return [
    `  ${"".padEnd(58)} ${names.map((name) => name.padStart(10)).join(" ")}`,
    line("no limit, runs/s", ({ noLimit }) => rateOf(noLimit)),
    line("a limit far above the load, runs/s", ({ farLimit }) => rateOf(farLimit)),
    line("  as a share of no limit, median of the rounds", shareOfNoLimit, 2),
    line("  processor time of a run without a limit, µs", ({ noLimit }) => processorOf(noLimit), 0),
    line("  more than that with the limit, median of the rounds", (f) => moreWithLimit(f), 0),
    ...processes.map((name) => line(`    ${name}`, (f) => moreWithLimit(f, name), 0)),
    line(`a limit of ${BINDING} at once, runs/s`, ({ bindingLimit }) => rateOf(bindingLimit)),
    ...(first?.waiting ?? []).flatMap(({ waiting, running }, index) => [
      line(
        `no limit beside ${running} running, ${waiting} waiting, runs/s`,
        (f) => f.waiting[index]!.runsPerSecond,
      ),
      line("  a claim meanwhile, ms", (f) => f.waiting[index]!.claimMs),
      ...(waiting > 0
        ? [line("  from an end to the next start, ms", (f) => f.waiting[index]!.nextMs.p50)]
        : []),
    ]),
    ...(first?.rates ?? []).flatMap(({ limit, burst, queues }, index) => [
      line(
        `${queues === 1 ? "a rate" : `${queues} rates`} of ${limit} a second with a burst of ${burst}, starts/s`,
        (f) => f.rates[index]!.startsPerSecond,
      ),
      line("  most in any second", (f) => f.rates[index]!.mostInASecond),
    ]),
  ];
}

/** Of two in the middle, between them: one of each may have come first in its round. */
function medianOf(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

/** Of a round and the one beside it: what else the machine does concerns both. */
const shareOfNoLimit = ({ noLimit, farLimit }: QueueFigures) =>
  medianOf(farLimit.runsPerSecond.map((rate, round) => rate / noLimit.runsPerSecond[round]!));

/** Of one process, or of all together. */
const usOf = (round: Record<string, number>, name?: string) =>
  name ? (round[name] ?? 0) : Object.values(round).reduce((sum, us) => sum + us, 0);

const processorOf = ({ processorUs }: Rounds) => medianOf(processorUs.map((round) => usOf(round)));

const moreWithLimit = ({ noLimit, farLimit }: QueueFigures, name?: string) =>
  medianOf(
    farLimit.processorUs.map((round, index) => usOf(round, name) - usOf(noLimit.processorUs[index]!, name)),
  );

async function createMany({ call }: BenchSystem, task: TaskBody, count: number): Promise<void> {
  await forEachConcurrently(Math.ceil(count / BATCH), 2, async (batch) => {
    const size = Math.min(BATCH, count - batch * BATCH);
    await call("POST", "/v1/tasks/batch", { items: Array.from({ length: size }, () => task) });
  });
}

/** A server whose answers come when they are let go. */
async function openHeldServer() {
  const held: (() => void)[] = [];
  const server = createServer((incoming, response) => {
    incoming.resume();
    held.push(() => response.end("ok"));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    held,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await sleep(20);
}

/** The queue's last runs are cancelled with it. */
async function measureBesideWaiting(
  system: BenchSystem,
  body: TaskBody,
  waiting: number,
  runs: number,
): Promise<WaitingFigures> {
  const { call } = system;
  const held = await openHeldServer();
  const queue = "held";
  const shown = async () => (await call("GET", `/v1/queues/${queue}`)) as ShownQueue;
  await call("PUT", `/v1/queues/${queue}`, { concurrency: RUNNING });
  const task = {
    type: "http",
    method: "POST",
    url: held.url,
    timeout: "30m",
    queue,
    labels: { bench: queue },
  };
  await createMany(system, task, RUNNING + waiting);
  await until(async () => {
    const { running, waitingFor } = await shown();
    return running === RUNNING && waitingFor.concurrency === waiting;
  });
  const before = await readClaims(system);
  const runsPerSecond = await measureEndToEnd(system, body, runs);
  const after = await readClaims(system);
  const nextMs: number[] = [];
  for (let ended = 0; ended < Math.min(waiting, 100); ended += 1) {
    const beganMs = performance.now();
    const before = held.held.length;
    held.held.shift()!();
    await until(async () => held.held.length === before);
    nextMs.push(performance.now() - beganMs);
  }
  const bulk = { action: "cancel", resource: "runs", filter: { queue, state: ["queued", "running"] } };
  await call("POST", "/v1/bulk", bulk);
  await until(async () => {
    for (const answer of held.held.splice(0)) answer();
    const { running, waiting: left } = await shown();
    return running + left === 0;
  });
  held.close();
  return {
    ...{ waiting, running: RUNNING, runsPerSecond },
    claimMs: (1_000 * (after.seconds - before.seconds)) / (after.count - before.count),
    nextMs: spreadOf(nextMs),
  };
}

interface ShownQueue {
  running: number;
  waiting: number;
  waitingFor: { concurrency: number };
}

/** The worker's claims so far, of all kinds. */
export async function readClaims({
  readWorkerMetrics,
}: BenchSystem): Promise<{ seconds: number; count: number }> {
  const text = await readWorkerMetrics();
  const read = (name: string) => {
    const lines = text.matchAll(
      new RegExp(`^bellhop_claim_duration_seconds_${name}(?:\\{.*\\})? (.*)$`, "gm"),
    );
    return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
  };
  return { seconds: read("sum"), count: read("count") };
}

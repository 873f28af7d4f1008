/** What one interleaving is of: how many of each role, which tasks, how attempts go. It follows from a seed. */
import { OVERLAPS } from "../../core/domain/overlap.ts";
import type { Random } from "../support/random.ts";
import { createTask, type NewTask, setLimit } from "./database/tasks.ts";
import type { AttemptWeather } from "./roles/attempts.ts";
import { startScheduler } from "./roles/scheduler.ts";
import { startWorker } from "./roles/worker.ts";
import type { Script } from "./simulation/script.ts";
import type { World } from "./simulation/world.ts";

export interface Setup {
  schedulers: number;
  workers: number;
  slots: number;
  leaseMs: number;
  attempts: AttemptWeather;
  tasks: NewTask[];
  limit: number;
}

export const LEASE_MS = 6_000;
export const LIMIT_KEY = "queue:ns/mail";

const DURATIONS_MS: readonly (readonly number[])[] = [
  [0, 20, 300],
  [0, 20, 300, 1_500, LEASE_MS * 0.8, LEASE_MS * 2.5],
  [1_500, LEASE_MS * 0.8, LEASE_MS * 2.5, LEASE_MS * 4],
];

const CATCH_UPS: readonly NewTask["catchUp"][] = [
  null,
  { policy: "all", windowMs: null, max: 3 },
  { policy: "latest", windowMs: 5_000, max: 1 },
  { policy: "none", windowMs: null, max: 1 },
];

function drawTask(random: Random, id: string, limitedShare: number): NewTask {
  const everyMs = random.pick([600, 1_000, 1_500, 2_500]);
  const endAt = new Date(random.pick([2_000, 3_500, 5_000])).toISOString();
  const isOnce = random.next() < 0.2;
  return {
    id,
    schedule: isOnce ? { kind: "once", at: new Date(800).toISOString() } : { kind: "every", everyMs, endAt },
    overlap: random.pick(OVERLAPS),
    catchUp: isOnce ? null : random.pick(CATCH_UPS),
    maxAttempts: random.whole(1, 3),
    limitKeys: random.next() < limitedShare ? [LIMIT_KEY] : [],
  };
}

export function drawSetup(random: Random): Setup {
  const count = random.pick([1, 1, 2, 3]);
  const limitedShare = random.pick([0, 0.4, 1]);
  return {
    schedulers: random.whole(1, 2),
    workers: random.pick([1, 1, 2, 2, 3]),
    slots: random.whole(1, 3),
    leaseMs: LEASE_MS,
    attempts: { durationsMs: random.pick(DURATIONS_MS), failRate: random.pick([0, 0.25, 0.5]) },
    tasks: Array.from({ length: count }, (_, index) => drawTask(random, "abc"[index]!, limitedShare)),
    limit: random.whole(1, 2),
  };
}

export function setUp(world: World, setup: Setup): void {
  const { schedulers, workers, slots, leaseMs } = setup;
  world.slotCount = workers * slots;
  world.addProcess("api", "api", () => {});
  for (let number = 1; number <= schedulers; number += 1)
    world.addProcess(`s${number}`, "scheduler", (process) => startScheduler(world, process, leaseMs));
  for (let number = 1; number <= workers; number += 1)
    world.addProcess(`w${number}`, "worker", (process) => startWorker(world, process, setup));
  for (const process of world.processes.values()) world.start(process);
  const api = world.processes.get("api")!;
  if (setup.tasks.some(({ limitKeys }) => limitKeys.length > 0))
    world.spawn(api, "set limit", setLimit(LIMIT_KEY, setup.limit));
  for (const task of setup.tasks) world.spawn(api, `create ${task.id}`, createTaskAt(world, task));
}

/** A request that gets no answer has done its work or none. */
function* createTaskAt(world: World, task: NewTask): Script {
  yield* createTask(task, world.nowMs);
  world.notify("bellhop_schedule");
}

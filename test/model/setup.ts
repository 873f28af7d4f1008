/** What one interleaving is of: how many of each role, which tasks. It follows from a seed. */
import type { Random } from "../support/random.ts";
import { createTask, type NewTask, setLimit } from "./database/tasks.ts";
import { startScheduler } from "./roles/scheduler.ts";
import { startWorker } from "./roles/worker.ts";
import type { Script } from "./simulation/script.ts";
import type { World } from "./simulation/world.ts";

export interface Setup {
  schedulers: number;
  workers: number;
  slots: number;
  leaseMs: number;
  tasks: NewTask[];
  limit: number;
}

export const LEASE_MS = 6_000;
export const LIMIT_KEY = "queue:ns/mail";
/** No task fires after it. */
const LAST_INSTANT_MS = 10_000;

const endAt = new Date(LAST_INSTANT_MS).toISOString();
const every = (everyMs: number) => ({ kind: "every", everyMs, endAt }) as const;

/** Of each kind of task one; an interleaving has some of them. */
const KINDS: Omit<NewTask, "id">[] = [
  {
    schedule: { kind: "once", at: new Date(1_500).toISOString() },
    overlap: "allow",
    catchUp: null,
    maxAttempts: 2,
    limitKeys: [],
  },
  { schedule: every(3_000), overlap: "skip", catchUp: null, maxAttempts: 2, limitKeys: [] },
  {
    schedule: every(2_500),
    overlap: "wait",
    catchUp: { policy: "all", windowMs: null, max: 3 },
    maxAttempts: 1,
    limitKeys: [],
  },
  { schedule: every(4_000), overlap: "cancel-previous", catchUp: null, maxAttempts: 3, limitKeys: [] },
  {
    schedule: every(1_500),
    overlap: "allow",
    catchUp: { policy: "latest", windowMs: 5_000, max: 1 },
    maxAttempts: 1,
    limitKeys: [LIMIT_KEY],
  },
  {
    schedule: every(5_000),
    overlap: "allow",
    catchUp: { policy: "none", windowMs: null, max: 1 },
    maxAttempts: 2,
    limitKeys: [LIMIT_KEY],
  },
];

export function drawSetup(random: Random): Setup {
  const count = random.whole(1, 3);
  const tasks = Array.from({ length: count }, (_, index) => ({ ...random.pick(KINDS), id: "abc"[index]! }));
  return {
    schedulers: random.whole(1, 2),
    workers: random.whole(1, 3),
    slots: random.whole(1, 3),
    leaseMs: LEASE_MS,
    tasks,
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
    world.addProcess(`w${number}`, "worker", (process) => startWorker(world, process, leaseMs, slots));
  for (const process of world.processes.values()) world.start(process);
  const api = world.processes.get("api")!;
  world.spawn(api, "set limit", setLimit(LIMIT_KEY, setup.limit));
  for (const task of setup.tasks) world.spawn(api, `create ${task.id}`, createTaskAt(world, task));
}

/** A request that gets no answer has done its work or none. */
function* createTaskAt(world: World, task: NewTask): Script {
  yield* createTask(task, world.nowMs);
  world.notify("bellhop_schedule");
}

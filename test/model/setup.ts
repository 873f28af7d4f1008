/** What one interleaving is of: how many of each role, which tasks, what is asked of the API. It follows from a seed. */
import type { Random } from "../support/random.ts";
import { cancelRuns } from "./database/cancel.ts";
import type { NewTask } from "./database/tasks.ts";
import {
  cancelTask,
  changeTask,
  createTask,
  pauseTask,
  redriveDeadLetters,
  resumeTask,
  setLimit,
} from "./database/tasks.ts";
import { letGo, startScheduler } from "./roles/scheduler.ts";
import { startWorker } from "./roles/worker.ts";
import { ConnectionLost, type Script } from "./simulation/script.ts";
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

export const REQUESTS = [
  "pause",
  "resume",
  "change",
  "cancel task",
  "cancel run",
  "redrive",
  "limit",
] as const;
export type RequestKind = (typeof REQUESTS)[number];

/** What a caller asks of a task, or of the newest of its runs. */
export function* request(world: World, kind: RequestKind, taskId: string, choice: number): Script {
  try {
    yield* serve(world, kind, taskId, choice);
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
  }
}

const CHANGES = [
  { overlap: "allow", limitKeys: [LIMIT_KEY] },
  { overlap: "skip", limitKeys: [] },
  { overlap: "wait", limitKeys: [LIMIT_KEY] },
] as const;

function* serve(world: World, kind: RequestKind, taskId: string, choice: number): Script {
  const { nowMs } = world;
  switch (kind) {
    case "pause":
      return yield* pauseTask(world, taskId, nowMs);
    case "resume":
      return yield* resumeTask(world, taskId, nowMs);
    case "change":
      return yield* changeTask(world, taskId, CHANGES[choice % CHANGES.length]!);
    case "cancel task":
      return yield* cancelTask(world, taskId, nowMs);
    case "redrive":
      return yield* redriveDeadLetters(world);
    case "limit":
      return yield* setLimit(LIMIT_KEY, 1 + (choice % 3));
    case "cancel run": {
      const runs = [...world.database.read("runs").values()].filter((run) => run.taskId === taskId);
      const run = runs[choice % Math.max(runs.length, 1)];
      if (!run) return;
      const { asked, wantedKeys } = yield* cancelRuns(world, ({ id }) => id === run.id);
      if (asked.length > 0) world.notify("bellhop_cancel", asked);
      yield* letGo(world, wantedKeys);
      return;
    }
    default:
      kind satisfies never;
  }
}

/** What callers ask of the API meanwhile. */
import { cancelRuns } from "./database/cancel.ts";
import {
  cancelTask,
  changeTask,
  pauseTask,
  redriveDeadLetters,
  resumeTask,
  setLimit,
} from "./database/tasks.ts";
import { letGo } from "./roles/scheduler.ts";
import { LIMIT_KEY } from "./setup.ts";
import { ConnectionLost, type Script } from "./simulation/script.ts";
import type { World } from "./simulation/world.ts";

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

/** Several threads explore, each one share after another; the first violation that any of them finds ends all. */
import { Worker } from "node:worker_threads";
import type { PlantedBug } from "../planted-bugs.ts";
import { type Exploration, explore, MAX_SEED } from "./explore.ts";

export interface Share {
  seed: number;
  interleavings: number;
  bug: PlantedBug | null;
}

export interface ParallelOptions extends Share {
  jobs: number;
  onProgress(so: { interleavings: number; moves: number }): void;
}

const SHARE = 500;

export async function exploreInParallel(options: ParallelOptions): Promise<Exploration> {
  const { jobs, seed, interleavings, bug, onProgress } = options;
  if (jobs === 1) return explore({ ...options, hasBug: (name) => name === bug });
  const total: Exploration = { interleavings: 0, moves: 0, found: undefined };
  let given = 0;

  /** Undefined: all were given away. */
  function takeShare(): Share | undefined {
    const count = total.found ? 0 : Math.min(SHARE, interleavings - given);
    if (count === 0) return undefined;
    given += count;
    return { seed: (seed + given - count) % (MAX_SEED + 1), interleavings: count, bug };
  }

  async function work(): Promise<void> {
    const thread = new Worker(new URL("./explore-share.ts", import.meta.url));
    try {
      for (let share = takeShare(); share; share = takeShare()) {
        const explored = await ask(thread, share);
        total.interleavings += explored.interleavings;
        total.moves += explored.moves;
        total.found ??= explored.found;
        onProgress(total);
      }
    } finally {
      await thread.terminate();
    }
  }

  await Promise.all(Array.from({ length: jobs }, work));
  return total;
}

function ask(thread: Worker, share: Share): Promise<Exploration> {
  return new Promise((resolve, reject) => {
    thread.once("message", (explored: Exploration) => {
      thread.off("error", reject);
      resolve(explored);
    });
    thread.once("error", reject);
    thread.postMessage(share);
  });
}

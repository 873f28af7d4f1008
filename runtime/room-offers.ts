/**
 * After runs of functions with a limit of runs at once ended: their room goes to runs that wait for it, and bells tell
 * the workers. States: quiet → looking (what ends meanwhile is in the next look) → quiet. A look that fails is left to
 * the scheduler's, which comes every second.
 */
import type { Bell } from "../core/queue/transport.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";

export interface RoomOffers {
  /** A run of this function ended, and its row says so. */
  add(functionId: string): void;
  /** Resolves when nothing is left to look for. */
  flush(): Promise<void>;
}

export function createRoomOffers(
  offer: (functionIds: string[]) => Promise<StagedRun[]>,
  ring: (bells: Bell[]) => Promise<void>,
  onError: (error: unknown) => void,
): RoomOffers {
  const wanted = new Set<string>();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    // One turn later: what was recorded in one batch is looked for together.
    await Promise.resolve();
    while (wanted.size > 0) {
      const functionIds = [...wanted];
      wanted.clear();
      try {
        const offered = await offer(functionIds);
        if (offered.length > 0) await ring(offered);
      } catch (error) {
        onError(error);
      }
    }
    looking = undefined;
  }

  return {
    add(functionId) {
      wanted.add(functionId);
      looking ??= look();
    },
    async flush() {
      await looking;
    },
  };
}

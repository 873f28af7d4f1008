/**
 * After permits were given back for which runs wait: they go to those whose turn it is, and bells tell the workers.
 * States: quiet → looking (what is given back meanwhile is in the next look) → quiet. A look that fails is left to the
 * scheduler's, which comes every second.
 */
import type { Bell } from "../core/queue/transport.ts";
import type { StagedRun } from "../core/store/runs/staged-run.ts";

export interface PermitGrants {
  /** Permits of these limit keys were given back, and runs wait for them. */
  add(keys: readonly string[]): void;
  /** Resolves when nothing is left to look for. */
  flush(): Promise<void>;
}

export function createPermitGrants(
  grant: (keys: string[]) => Promise<StagedRun[]>,
  ring: (bells: Bell[]) => Promise<void>,
  onError: (error: unknown) => void,
): PermitGrants {
  const wanted = new Set<string>();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    // One turn later: what was recorded in one batch is looked for together.
    await Promise.resolve();
    while (wanted.size > 0) {
      const keys = [...wanted];
      wanted.clear();
      try {
        const granted = await grant(keys);
        if (granted.length > 0) await ring(granted);
      } catch (error) {
        onError(error);
      }
    }
    looking = undefined;
  }

  return {
    add(keys) {
      if (keys.length === 0) return;
      for (const key of keys) wanted.add(key);
      looking ??= look();
    },
    async flush() {
      await looking;
    },
  };
}
